"""What this machine offers, for people to read."""

import platform
from importlib import metadata
from typing import Any

from bloodcell.engine.backends import choose_backend
from bloodcell.engine.machine import nvidia_gpus, usable_cores
from bloodcell.errors import BloodcellError
from bloodcell.model import load_model, model_names

_PACKAGES = (
    "nvidia-dali-cuda130",
    "onnxruntime",
    "numpy",
    "pyarrow",
    "torch",
    "tensorrt",
    "cupy-cuda13x",
)


def examine() -> dict[str, Any]:
    """Names and findings, in the order in which to show them."""
    choice = choose_backend("auto")
    findings: dict[str, Any] = {
        "bloodcell": metadata.version("bloodcell"),
        "Python": platform.python_version(),
        "CPU cores usable": usable_cores(),
        "GPU": _gpu(),
    }
    findings |= {name: _version(name) for name in _PACKAGES}
    findings |= {f"model {name}": _model_state(name) for name in model_names()}
    findings["auto takes"] = f"{choice.name}: {choice.why}"
    return findings


def _gpu() -> str:
    gpus = nvidia_gpus()
    if gpus is None:
        return "none (no NVIDIA driver)"
    return f"{gpus} NVIDIA; this version computes on the CPU"


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
