"""What this machine offers, for people to read."""

import platform
from importlib import metadata
from typing import Any

from bloodcell import __version__
from bloodcell.engine.backends.choice import BACKENDS, choose_backend, why_not_here, why_not_on_gpu
from bloodcell.engine.backends.cuda import first_device, why_no_cuda
from bloodcell.engine.machine import usable_cores
from bloodcell.errors import BloodcellError
from bloodcell.model import load_model
from bloodcell.paths import model_names

_SHOWN_PACKAGES = (
    "nvidia-dali-cuda130", "onnxruntime", "openvino", "numpy", "pyarrow", "onnx", "torch",
    "tensorrt", "cupy-cuda13x",
)  # fmt: skip


def examine() -> dict[str, Any]:
    """Names and findings, in the order in which to show them."""
    choice = choose_backend("auto")
    findings: dict[str, Any] = {
        "bloodcell": __version__,
        "Python": platform.python_version(),
        "CPU cores usable": usable_cores(),
        "GPU": _gpu(),
    }
    findings |= {name: _version(name) for name in _SHOWN_PACKAGES}
    findings |= {f"model {name}": _model_state(name) for name in model_names()}
    findings |= {f"backend {name}": _backend_state(name) for name in BACKENDS}
    findings["auto takes"] = f"{choice.name}: {choice.why}"
    return findings


def _gpu() -> str:
    if why_not := why_no_cuda():
        return f"none usable: {why_not}"
    gpu = first_device()
    return f"{gpu.name}, compute capability {gpu.compute_capability}, CUDA {gpu.cuda_version}"


def _backend_state(name: str) -> str:
    if why_not := why_not_here(name):
        return f"cannot run: {why_not}"
    why_not = why_not_on_gpu(name)
    return f"can run on the CPU, not on a GPU: {why_not}" if why_not else "can run on the GPU"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _model_state(name: str) -> str:
    try:
        return f"good, SHA-256 {load_model(name).weights_sha256}"
    except BloodcellError as error:
        return f"refused: {error}"
