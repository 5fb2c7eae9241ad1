"""`bloodcell-bench soak`: the same input again and again in one process; what grows is a leak."""

import gc
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bloodcell.bench.fresh import score_here
from bloodcell.bench.record import Record, Row
from bloodcell.bench.sample import about_images
from bloodcell.bench.scoring_options import Scoring
from bloodcell.bench.statistics import trend
from bloodcell.errors import EngineError, PackageError

if TYPE_CHECKING:
    from psutil import Process

LEAST_ROUNDS = 10
"""How many rounds after the warm-up a verdict needs."""
_WARM_UP_SHARE = 1 / 3
_WARM_UP_ROUNDS = 2
_MIB = 2**20


def this_process() -> "Process":
    """This process as psutil sees it; PackageError if psutil is not installed."""
    try:
        import psutil
    except ModuleNotFoundError as missing:
        raise PackageError(
            "soak needs psutil, which is not installed: pip install 'bloodcell[bench]'"
        ) from missing
    return psutil.Process()


def measure_soak(record: Record, manifest: Path, scoring: Scoring, minutes: float) -> None:
    """Score ``manifest`` until ``minutes`` have passed, at least twice; one row a round.

    The first third of the time, and at least two rounds, are warm-up, and marked so: the C
    library's allocator takes dozens of rounds to have its memory for the threads of a round.
    """
    process = this_process()
    record.settings |= scoring.about() | about_images(manifest)
    started = time.monotonic()
    number = 0
    while (at_s := time.monotonic() - started) < 60 * minutes or number < _WARM_UP_ROUNDS:
        number += 1
        warm_up = number <= _WARM_UP_ROUNDS or at_s < _WARM_UP_SHARE * 60 * minutes
        session, resident_mib = _score_once(process, manifest, scoring)
        gc.collect()  # cycles that wait for the collector are no leak
        record.settings["batch_size"] = session["batch_size"]
        record.add(
            {
                "round": number,
                "warm_up": warm_up,
                "ended_h": round((time.monotonic() - started) / 3600, 6),
                "cells_per_s": session["cells_per_s"],
                "resident_mib": resident_mib,
                "open_handles": process.num_fds(),
                "threads": process.num_threads(),
            }
        )


def _score_once(process: "Process", manifest: Path, scoring: Scoring) -> tuple[Row, float]:
    """Score beside the manifest, and remove it; the session's figures, mean resident memory."""
    resident: list[int] = []
    out = manifest.with_name("run")

    def note(_done: int, _cells: int) -> None:
        processes = [process, *process.children()]
        resident.append(sum(one.memory_info().rss for one in processes))

    run = score_here(manifest, out, scoring, note)
    shutil.rmtree(out)
    if run.about["scored"] == 0:
        raise EngineError(f"none of the {run.about['cells']} cells could be scored")
    return run.about["session"], round(sum(resident) / len(resident) / _MIB, 3)


def soak_figures(measured: Sequence[Row]) -> list[Row]:
    """Trends of throughput and memory over the rounds after the warm-up; none if too few."""
    rows = after_warm_up(measured)
    if len(rows) < LEAST_ROUNDS:
        return []
    hours = [row["ended_h"] for row in rows]
    speeds = [row["cells_per_s"] for row in rows]
    mean_speed = sum(speeds) / len(speeds)
    drift = trend(hours, [100 * speed / mean_speed for speed in speeds])
    growth = trend(hours, [row["resident_mib"] for row in rows])
    about = {"rounds": len(rows), "hours": round(hours[-1] - hours[0], 4)}
    return [
        {"figure": "cells_per_s", "unit": "cells/s", "mean": round(mean_speed, 1), **about},
        {"figure": "throughput_drift", "unit": "%/h", **_rounded(asdict(drift)), **about},
        {"figure": "resident_memory_slope", "unit": "MiB/h", **_rounded(asdict(growth)), **about},
    ]


def soak_verdicts(measured: Sequence[Row], negligible_mib: float) -> list[Row]:
    """Whether memory, open handles or threads grew; of too few rounds, that they are too few.

    Memory grows if its slope's 95 % interval lies above 0 and it grew by more than
    ``negligible_mib`` in all. Handles and threads are those at the end of a round.
    """
    rows, figures = after_warm_up(measured), soak_figures(measured)
    if not figures:
        says = f"{len(rows)} rounds after the warm-up, {LEAST_ROUNDS} are needed: more --minutes"
        return [{"what": "rounds", "good": False, "says": says}]
    slope = figures[-1]
    growth_mib = slope["slope"] * slope["hours"]
    grows = slope["low"] > 0 and growth_mib > negligible_mib
    says = (
        f"{'grows' if grows else 'does not grow'}: {growth_mib:+.1f} MiB in {slope['hours']:.2f} "
        f"h, {slope['low']:.1f} to {slope['high']:.1f} MiB/h; up to {negligible_mib:g} MiB is "
        "negligible"
    )
    memory = {"what": "resident_memory", "good": not grows, "says": says}
    return [memory, _counted("open_handles", rows), _counted("threads", rows)]


def after_warm_up(measured: Sequence[Row]) -> list[Row]:
    """The rounds that count."""
    return [row for row in measured if not row["warm_up"]]


def _counted(what: str, rows: Sequence[Row]) -> Row:
    first, last = rows[0][what], rows[-1][what]
    says = f"{first} at the start, {last} at the end"
    return {"what": what, "good": last <= first, "says": says}


def _rounded(figures: dict[str, Any]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in figures.items()}
