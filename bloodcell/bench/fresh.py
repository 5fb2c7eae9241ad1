"""Measures one thing in a process of its own: its start and its peak memory are its own alone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bloodcell.bench.scoring_options import Scoring
from bloodcell.errors import BloodcellError, EngineError

if TYPE_CHECKING:
    from bloodcell.run import Run
    from bloodcell.session import Progress


def score_here(source: Path, out: Path, scoring: Scoring, progress: Progress) -> Run:
    """`bloodcell.score` with one worker: what is measured is one process's, and what asks it."""
    from bloodcell.scoring import score

    return score(
        source,
        out,
        scoring.model,
        scoring.backend,
        batch_size=scoring.batch_size,
        threads=scoring.threads,
        workers=1,
        progress=progress,
    )


def score_fresh(source: Path, out: Path, scoring: Scoring) -> dict[str, Any]:
    """Score ``source`` into the run folder ``out`` as a new process does.

    Returns ``cells``, ``scored``, ``batch_size``, ``peak_memory_mib`` and, in seconds:
    ``start_up_s`` from the start of the process to the first scored batch, ``first_result_s`` of it
    since `bloodcell.score` was called, ``call_s`` for that whole call, ``session_s`` for its
    scoring alone, ``batch_p50_s`` and ``batch_p99_s`` from one batch done to the next.
    Raises EngineError with the process's last words if it fails.
    """
    return in_fresh_process("score", source=str(source), out=str(out), **asdict(scoring))


def in_fresh_process(task: str, **options: Any) -> dict[str, Any]:
    """What ``task`` returns; raises EngineError if it fails, and ends it on an interruption."""
    words = [sys.executable, "-m", __name__, task, json.dumps(options)]
    # The monotonic clock is the machine's: another process reads the same.
    words.append(str(time.monotonic()))
    # In a session of its own: Ctrl-C is for this process, which ends it and keeps what it measured.
    done = subprocess.run(
        words, check=False, capture_output=True, text=True, start_new_session=True
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [_ended_by(done.returncode)]
        raise EngineError(f"{task} in a process of its own: {lines[-1]}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def peak_memory_mib() -> float:
    """Most resident memory of this process and of each worker that it has now, added up.

    Not getrusage's: that one takes over, through the exec, what the parent had.
    """
    children = " ".join(path.read_text() for path in Path("/proc/self/task").glob("*/children"))
    return round(sum(_peak_kib(process) for process in ("self", *children.split())) / 1024, 1)


def _peak_kib(process: str) -> int:
    status = Path(f"/proc/{process}/status")
    for line in status.read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise EngineError(f"{status} has no line VmHWM: peak memory cannot be read here")


def _score(launched: float, *, source: str, out: str, **scoring: Any) -> dict[str, Any]:
    from bloodcell.engine.machine import keep_memory_flat

    keep_memory_flat()  # as `bloodcell score` does
    called = time.monotonic()
    done_at: list[float] = []
    peaks_mib = [0.0]

    def note(_done: int, _cells: int) -> None:
        done_at.append(time.monotonic())
        peaks_mib[0] = peak_memory_mib()  # the worker is gone when the call returns

    run = score_here(Path(source), Path(out), Scoring(**scoring), note)
    ended = time.monotonic()
    return {
        "cells": run.about["cells"],
        "scored": run.about["scored"],
        "batch_size": run.about["session"]["batch_size"],
        "start_up_s": round(done_at[0] - launched, 4),
        "first_result_s": round(done_at[0] - called, 4),
        "call_s": round(ended - called, 4),
        "session_s": run.about["session"]["elapsed_s"],
        "peak_memory_mib": peaks_mib[0],
        **_between(done_at),
    }


def _between(done_at: list[float]) -> dict[str, float | None]:
    """Percentiles of the time from one batch done to the next; None with a single batch."""
    import numpy as np

    gaps = np.diff(done_at)
    if not len(gaps):
        return {"batch_p50_s": None, "batch_p99_s": None}
    p50, p99 = (round(float(p), 5) for p in np.percentile(gaps, (50, 99)))
    return {"batch_p50_s": p50, "batch_p99_s": p99}


def _parts(_launched: float, *, stage: str, cells: int, patients: int, out: str) -> dict[str, Any]:
    from bloodcell.bench.stages import time_drawn_parts

    whole_parts, elapsed_s = time_drawn_parts(stage, cells, patients, Path(out))
    return {"cells": whole_parts, "call_s": round(elapsed_s, 4), "session_s": round(elapsed_s, 4)}


_TASKS: dict[str, Callable[..., dict[str, Any]]] = {"score": _score, "parts": _parts}


def _ended_by(status: int) -> str:
    if status < 0:
        return f"ended by {signal.Signals(-status).name} (SIGKILL: most likely out of memory)"
    return f"ended with status {status}"


def _main(task: str, options: str, launched: str) -> None:
    try:
        figures = _TASKS[task](float(launched), **json.loads(options))
    except (BloodcellError, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(BloodcellError.exit_status)
    click.echo(json.dumps({"peak_memory_mib": peak_memory_mib()} | figures))


if __name__ == "__main__":
    _main(*sys.argv[1:])
