"""Whether there is a usable NVIDIA GPU, asked of the driver alone.

TensorRT and CuPy can end the process where there is none, so nothing of theirs is loaded before
this has answered.
"""

import ctypes
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bloodcell.errors import EngineError

_OLDEST_CUDA = 13000
"""CUDA 13.0, which the GPU packages that bloodcell names are built for."""
_OLDEST_DRIVER = "580"
_NO_DEVICE = 100
_COMPUTE_CAPABILITY_MAJOR, _COMPUTE_CAPABILITY_MINOR = 75, 76


@dataclass(frozen=True)
class Device:
    """A GPU that this process may use."""

    name: str
    compute_capability: str
    """Such as ``9.0``."""
    uuid: str
    cuda_version: str
    """The newest CUDA that the driver serves, such as ``13.0``."""


def why_no_cuda(driver: Any = None) -> str | None:
    """None where there is a usable GPU; else one line saying what is wrong and what to do.

    ``driver``: the driver's library as ctypes loads it; found by name if not given.
    """
    driver = driver or _load_driver()
    if driver is None:
        return "no NVIDIA driver is installed"
    served = _cuda_version(driver)
    if served < _OLDEST_CUDA:
        return (
            f"the NVIDIA driver serves CUDA {_dotted(served)}, {_dotted(_OLDEST_CUDA)} is needed: "
            f"install driver {_OLDEST_DRIVER} or later"
        )
    status, count = driver.cuInit(0), ctypes.c_int(0)
    if status == 0:
        status = driver.cuDeviceGetCount(ctypes.byref(count))
    if status == _NO_DEVICE or (status == 0 and count.value == 0):
        return "the NVIDIA driver finds no GPU (is CUDA_VISIBLE_DEVICES set?)"
    if status != 0:
        return f"the NVIDIA driver does not start (CUDA error {status}): see nvidia-smi"
    return None


def first_device(driver: Any = None) -> Device:
    """What plans and runs are tied to; EngineError where there is no usable GPU."""
    return all_devices(driver)[0]


def all_devices(driver: Any = None) -> list[Device]:
    """Every GPU that this process may use, at least one; EngineError where there is none."""
    driver = driver or _load_driver()
    why_not = why_no_cuda(driver)
    if why_not:
        raise EngineError(f"no CUDA device: {why_not}")
    count = ctypes.c_int(0)
    driver.cuDeviceGetCount(ctypes.byref(count))
    return [_device(driver, number) for number in range(count.value)]


def driver_version() -> str:
    """The driver's own version, where its kernel module tells it."""
    module = Path("/sys/module/nvidia/version")
    return module.read_text().strip() if module.exists() else "unknown"


def _device(driver: Any, number: int) -> Device:
    name, identity = ctypes.create_string_buffer(256), (ctypes.c_ubyte * 16)()
    major, minor = ctypes.c_int(0), ctypes.c_int(0)
    for status in (
        driver.cuDeviceGetName(name, len(name), number),
        driver.cuDeviceGetUuid(identity, number),
        driver.cuDeviceGetAttribute(ctypes.byref(major), _COMPUTE_CAPABILITY_MAJOR, number),
        driver.cuDeviceGetAttribute(ctypes.byref(minor), _COMPUTE_CAPABILITY_MINOR, number),
    ):
        if status != 0:
            raise EngineError(f"the GPU does not answer (CUDA error {status}): see nvidia-smi")
    return Device(
        name=name.value.decode(),
        compute_capability=f"{major.value}.{minor.value}",
        uuid=str(uuid.UUID(bytes=bytes(identity))),
        cuda_version=_dotted(_cuda_version(driver)),
    )


def _load_driver() -> Any:
    try:
        return ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None


def _cuda_version(driver: Any) -> int:
    version = ctypes.c_int(0)
    driver.cuDriverGetVersion(ctypes.byref(version))
    return version.value


def _dotted(cuda_version: int) -> str:
    return f"{cuda_version // 1000}.{cuda_version % 1000 // 10}"
