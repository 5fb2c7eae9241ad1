"""What this machine offers, found without touching what could crash."""

import ctypes
import os
import platform
from importlib import metadata
from typing import Any

from bloodcell.engine.backends import choose_backend
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
        "CPU cores usable": len(os.sched_getaffinity(0)),
        "GPU": _gpu(),
    }
    findings |= {name: _version(name) for name in _PACKAGES}
    findings |= {f"model {name}": _model_state(name) for name in model_names()}
    findings["auto takes"] = f"{choice.name}: {choice.why}"
    return findings


def _gpu() -> str:
    """Ask the driver itself; no CUDA library is loaded before it says that there is a GPU."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "none (no NVIDIA driver)"
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return "none (the NVIDIA driver does not start)"
    return f"{count.value} NVIDIA; this version computes on the CPU"


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
