"""Kills runs at random moments and at single system calls, resumes them, and compares.

    python tests/faults/kills.py [--random N] [--calls N] [--cells N]

Every run scores its cells (links to a few drawn ones) by a network that costs next to nothing,
in a process forked from this one, which has loaded everything. Each end is held against that of an
undisturbed run, byte for byte.
"""

import argparse
import contextlib
import ctypes
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from helpers.drawn_runs import digests
from PIL import Image

WRITING = (
    "write", "pwrite64", "fsync", "rename", "mkdir", "unlink", "ftruncate", "openat",
)  # fmt: skip
_PR_SET_PTRACER = 0x59616D61

Kill = Callable[..., bool]
"""Kills a run into ``out``; whether it was still at work."""


@dataclass(frozen=True)
class Bench:
    """What every run scores, by what, and how the undisturbed one ended."""

    source: Path
    model: Path
    scratch: Path
    rows_per_part: int

    def start(self, out: Path | str, *, stopped: bool = False) -> int:
        """Fork a process that scores into ``out``; its id. ``stopped``: it waits for SIGCONT."""
        if child := os.fork():
            return child
        status = 1
        with contextlib.suppress(BaseException):
            ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(-1))
            if stopped:
                os.kill(os.getpid(), signal.SIGSTOP)
            self._score(out)
            status = 0
        os._exit(status)

    def _score(self, out: Path | str) -> None:
        from bloodcell import scoring

        with patch.object(scoring, "ROWS_PER_PART", self.rows_per_part):
            scoring.score(self.source, out, model=self.model, backend="onnxruntime", threads=2)

    def finish(self, out: Path) -> dict[str, str]:
        """Score, or resume, into ``out``; the digests of what must not depend on a kill."""
        status = os.waitstatus_to_exitcode(os.waitpid(self.start(out), 0)[1])
        assert status == 0, f"{out} does not resume: {sorted(map(str, out.rglob('*')))}"
        left = [path for path in out.rglob("*") if path.name.endswith(".new")]
        assert not left, left
        return digests(out)


def new_bench(scratch: Path, cells: int, rows_per_part: int = 512) -> Bench:
    """Cells as links to a few drawn ones, a stand-in network, everything loaded."""
    import bloodcell.scoring  # noqa: F401
    from bloodcell.bench.stand_in import write_stand_in

    for number in range(cells):
        drawn, link = scratch / f"{number % 20}.bmp", scratch / f"cells/p{number % 10}/{number}.bmp"
        if not drawn.exists():
            Image.effect_noise((16 + number % 20, 20), 80).convert("RGB").save(drawn)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(drawn)
    return Bench(scratch / "cells", write_stand_in(scratch / "model"), scratch, rows_per_part)


def kill_after(bench: Bench, out: Path, delay_s: float) -> bool:
    """A ``Kill`` at ``delay_s`` after the start."""
    child = bench.start(out)
    time.sleep(delay_s)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def kill_at(bench: Bench, out: Path, call: str, number: int) -> bool:
    """A ``Kill`` on entering the ``number``-th ``call`` of a thread."""
    inject = f"inject={call}:signal=SIGKILL:when={number}"
    return _traced(bench, out, ["-o", os.devnull, "-e", f"trace={call}", "-e", inject]) != 0


def _traced(bench: Bench, out: Path, options: list[str]) -> int:
    child = bench.start(out, stopped=True)
    os.waitpid(child, os.WUNTRACED)
    words = ["strace", "-f", "-p", str(child), *options]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        assert "attached" in strace.stderr.readline()
        os.kill(child, signal.SIGCONT)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def writing_calls(bench: Bench, out: Path) -> list[tuple[str, int]]:
    """The calls by which a run changes its folder, in turn, each with its number of its kind."""
    log = bench.scratch / "calls"
    assert _traced(bench, out, ["-y", "-o", str(log), "-e", f"trace={','.join(WRITING)}"]) == 0
    lines = log.read_text(errors="replace").splitlines()
    counted: Counter[str] = Counter()
    calls = []
    for line in (line for line in lines if line.split()[0] == lines[0].split()[0]):
        call = re.match(r"\d+ +(\w+)\(", line)
        if call is None:
            continue
        counted[call[1]] += 1
        if str(out) in line and not ("openat" in line and "O_RDONLY" in line):
            calls.append((call[1], counted[call[1]]))
    return calls


def moments(bench: Bench, arguments: argparse.Namespace, whole_s: float) -> Iterator[Kill]:
    """Kills at random, then at the run's first writing calls, or at some of fewer cells' calls."""
    for _ in range(arguments.random):
        yield partial(kill_after, bench, delay_s=random.uniform(0, whole_s))
    calls = writing_calls(bench, bench.scratch / "traced")
    print(f"a run of {arguments.cells} cells changes its folder by {len(calls)} calls")
    step = 1 if arguments.first else max(1, len(calls) // arguments.calls)
    for call, number in calls[::step][: arguments.calls]:
        yield partial(kill_at, bench, call=call, number=number)


def main() -> None:
    """Kill and resume as often as asked; prints counts, exits 1 if an end differs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--random", type=int, default=500, help="kills at random moments")
    parser.add_argument("--calls", type=int, default=300, help="kills at single system calls")
    parser.add_argument("--cells", type=int, default=5000)
    parser.add_argument("--first", action="store_true", help="the first calls, not some of all")
    arguments = parser.parse_args()
    ends: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        bench = new_bench(Path(folder), arguments.cells, rows_per_part=arguments.cells // 10)
        began = time.monotonic()
        right = bench.finish(bench.scratch / "right")
        whole_s = time.monotonic() - began
        for done, kill in enumerate(moments(bench, arguments, whole_s), start=1):
            out = bench.scratch / "killed"
            ends["killed" if kill(out=out) else "ended before"] += 1
            ends["equal" if bench.finish(out) == right else "DIFFERENT"] += 1
            shutil.rmtree(out)
            if done % 25 == 0 or done == arguments.random + arguments.calls:
                print(
                    f"{done} of {arguments.random + arguments.calls} runs: {dict(ends)}", flush=True
                )
    sys.exit(ends["equal"] != ends["killed"] + ends["ended before"])


if __name__ == "__main__":
    main()
