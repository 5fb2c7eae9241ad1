"""What a figure depends on besides the program's own options: the machine and the versions."""

import os
import platform
from contextlib import suppress
from importlib import metadata
from typing import Any

from bloodcell import __version__
from bloodcell.engine.backends.cuda import first_device, why_no_cuda
from bloodcell.engine.machine import cpu_entry, usable_cores

_PACKAGES = (
    "nvidia-dali-cuda130", "onnxruntime", "openvino", "numpy", "pyarrow", "torch",
    "tensorrt", "pillow", "opencv-python-headless", "simplejpeg",
)  # fmt: skip


def machine() -> dict[str, Any]:
    """Processor, usable cores, memory, GPU, system, and how busy it was before anything ran."""
    return {
        "processor": _processor(),
        "cores": usable_cores(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "gpu": None if why_no_cuda() else first_device().name,
        "system": platform.platform(),
        "load_average_before": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    """Python and those of the packages that are installed."""
    versions = {"python": platform.python_version(), "bloodcell": __version__}
    for package in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions


def _processor() -> str:
    return " ".join(cpu_entry("model name")) or platform.processor() or platform.machine()
