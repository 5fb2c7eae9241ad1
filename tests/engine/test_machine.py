"""What a process that only scores does about its memory, in one of its own."""

from pathlib import Path

import pytest
from helpers.own_process import printed_by

from bloodcell.engine import machine


@pytest.mark.parametrize(
    ("vendor", "flags", "computes", "is_faster"),
    [
        ("GenuineIntel", "avx512f", False, False),
        ("GenuineIntel", "avx512f avx512_bf16", True, False),
        ("GenuineIntel", "avx512f avx512_bf16 amx_bf16", True, True),
        ("AuthenticAMD", "avx512f avx512_bf16", True, True),
        ("AuthenticAMD", "avx2", False, False),
    ],
)
def test_bfloat16_is_taken_where_it_is_faster_not_wherever_it_can_be_computed(
    vendor: str, flags: str, computes: bool, is_faster: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpuinfo = f"processor\t: 0\nvendor_id\t: {vendor}\nflags\t\t: fpu {flags}\n"
    monkeypatch.setattr(Path, "read_text", lambda _: cpuinfo)
    assert machine.computes_in_bfloat16.__wrapped__() is computes
    monkeypatch.setattr(machine, "computes_in_bfloat16", lambda: computes)
    assert machine.is_faster_in_bfloat16.__wrapped__() is is_faster


def test_freed_memory_is_shared_by_all_threads() -> None:
    program = (
        "import pyarrow as pa, threading, xml.etree.ElementTree as xml, ctypes\n"
        "from bloodcell.engine.machine import keep_memory_flat\n"
        "keep_memory_flat()\n"
        "print(pa.default_memory_pool().backend_name)\n"
        "def take():\n"
        "    held.append(ctypes.create_string_buffer(100_000))\n"
        "    barrier.wait()\n"
        "held, barrier = [], threading.Barrier(8)\n"
        "threads = [threading.Thread(target=take) for _ in range(8)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "libc = ctypes.CDLL(None)\n"
        "libc.fdopen.restype = ctypes.c_void_p\n"
        "stream = ctypes.c_void_p(libc.fdopen(1, b'w'))\n"
        "libc.malloc_info(0, stream)\n"
        "libc.fflush(stream)\n"
    )
    printed = printed_by(program)
    assert "system\n" in printed
    assert printed.count("<heap nr=") == 2


def test_a_process_that_trains_gets_no_page_of_its_memory_twice() -> None:
    program = (
        "import ctypes, resource\n"
        "from bloodcell.engine.machine import keep_memory_at_hand\n"
        # PR_SET_THP_DISABLE: 2 MiB at a time would be few pages from the start.
        "ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)\n"
        "keep_memory_at_hand()\n"
        "for step in range(4):\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    tensors = [ctypes.create_string_buffer(64 << 20) for _ in range(2)]\n"
        "    for tensor in tensors: ctypes.memset(tensor, 1, len(tensor))\n"
        "    del tensor, tensors\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)\n"
    )
    pages = [int(line) for line in printed_by(program).split()]
    assert pages[0] > 1000
    assert max(pages[1:]) < 100
