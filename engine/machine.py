"""What this machine computes with, found without touching what could crash."""

import ctypes
import os


def usable_cores() -> int:
    """CPU cores that this process may run on."""
    return len(os.sched_getaffinity(0))


def nvidia_gpus() -> int | None:
    """Number of NVIDIA GPUs that the driver starts with; None without a driver.

    Asks the driver itself: no CUDA library is loaded before it says that there is a GPU.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value
