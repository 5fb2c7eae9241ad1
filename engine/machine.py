"""What this machine computes with."""

import ctypes
import os
from functools import cache
from pathlib import Path

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8
"""Of glibc's malloc.h."""


def usable_cores() -> int:
    """CPU cores that this process may run on."""
    return len(os.sched_getaffinity(0))


@cache
def computes_in_bfloat16() -> bool:
    """Whether the CPU multiplies in bfloat16: AMD from Zen 4, Intel's servers from Cooper Lake."""
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(cpu_entry("flags"))


@cache
def is_faster_in_bfloat16() -> bool:
    """Whether half the bits take less time.

    Not on Intel's without AMX, or where a virtual machine hides it: their vector units multiply as
    many pairs in bfloat16 as in float32, and what is converted comes on top (docs/measurements.md).
    """
    if "amx_bf16" in cpu_entry("flags"):
        return True
    return computes_in_bfloat16() and "AuthenticAMD" in cpu_entry("vendor_id")


def cpu_entry(entry: str) -> list[str]:
    """The words of an entry of ``/proc/cpuinfo``, of the first core; none if there is no such."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, words = line.partition(":")
        if name.strip() == entry:
            return words.split()
    return []


def keep_memory_flat() -> None:
    """For a process that only scores: memory that one thread freed is the next one's to use.

    Arrow's own allocator keeps what it once had, and the C library gives every few threads a
    region of their own; peak memory then grows by a tenth from ten thousand cells to a million
    (`bloodcell-bench scale --only cells`). Never for a library to call: both hold for a process.
    """
    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def keep_memory_at_hand() -> None:
    """For a process that only trains: memory of one step is the next one's.

    The C library gives large blocks back to the system and gets them anew, cleared page by page;
    on a CPU that takes a third of a training step. For a process, as ``keep_memory_flat``.
    """
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(_M_ARENA_MAX, 1)  # only the first region can grow beyond 64 MiB
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, -1)
    mallopt(_M_TOP_PAD, 256 << 20)
