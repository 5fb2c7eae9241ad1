"""What this machine computes with."""

import ctypes
import os

import pyarrow as pa

_M_ARENA_MAX = -8
"""Of glibc's malloc.h."""


def usable_cores() -> int:
    """CPU cores that this process may run on."""
    return len(os.sched_getaffinity(0))


def keep_memory_flat() -> None:
    """For a process that only scores: memory that one thread freed is the next one's to use.

    Arrow's own allocator keeps what it once had, and the C library gives every few threads a
    region of their own; peak memory then grows by a tenth from ten thousand cells to a million
    (`bloodcell-bench scale --only cells`). Never for a library to call: both hold for a process.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)
