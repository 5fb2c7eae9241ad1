"""`bloodcell-bench scale`: how time and memory grow, each point in a process of its own."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from bloodcell.bench.fresh import in_fresh_process, score_fresh
from bloodcell.bench.inputs import Drawn, repeated_input
from bloodcell.bench.record import Record, Row
from bloodcell.bench.scoring_options import Scoring
from bloodcell.bench.stand_in import write_stand_in
from bloodcell.bench.statistics import log_log_slope
from bloodcell.errors import EngineError

STEEPEST = 1.03
"""Up to which slope of log time against log cells the time counts as linear."""
MOST_MEMORY = 1.1
"""Up to which ratio of peak memories the memory counts as flat."""
_BASE_CELLS = 10_000
"""Memory is compared with the peak at so many cells: by then every buffer is there."""

_WHOLE = ("after_first_s", "call_s")
"""What follows the first scored batch, report included, and the whole call: loading the network
flattens the growth of the second, listing the input is in the second alone."""

_SMALL = Drawn(side_px=64)
_CELL_SIZED = Drawn()

Task: TypeAlias = Literal["score", "accumulate", "store"]


@dataclass(frozen=True)
class Point:
    """What one process measures."""

    x: float | str
    cells: int
    scoring: Scoring
    patients: int = 10
    drawn: Drawn = _SMALL


@dataclass(frozen=True)
class Series:
    """Points that differ in one thing."""

    name: str
    x_label: str
    points: Sequence[Point]
    task: Task = "score"
    time_linear: bool = False
    """Whether time may grow no faster than x, from a hundredth of the largest on."""
    memory_flat: bool = False
    seconds: Sequence[str] = ("session_s",)
    """Which times count, of which the steepest is judged."""


def all_series(
    scoring: Scoring, *, largest_cells: int, largest_parts: int, largest_patients: int, cells: int
) -> list[Series]:
    """Every series, with ``scoring`` where it is not what varies.

    ``largest_parts``: cells that are accumulated or stored without being scored. ``cells``: in each
    point of the series that vary something else.
    """

    def point(x: float | str, cells: int = cells, **changes: Any) -> Point:
        return Point(x, cells, changes.pop("scoring", scoring), **changes)

    def parts(task: Task) -> Series:
        points = [point(count, count) for count in decades(10**6, largest_parts)]
        return Series(task, "cells", points, task, time_linear=True, memory_flat=True)

    counts = [point(count, count) for count in decades(1000, largest_cells)]
    patients = [
        point(count, largest_patients, patients=count) for count in decades(1, largest_patients)
    ]
    threads = [
        point(threads, scoring=replace(scoring, threads=threads), drawn=_CELL_SIZED)
        for threads in doubled(scoring.threads)
    ]
    batches = [
        point(size, scoring=replace(scoring, batch_size=size)) for size in (1, 4, 16, 64, 256)
    ]
    sides = [point(side, drawn=Drawn(side_px=side)) for side in (64, 128, 256, 512, 1024)]
    formats = [point(name, drawn=Drawn(name)) for name in ("jpeg", "png", "tiff")]
    return [
        Series("cells", "cells", counts, time_linear=True, memory_flat=True, seconds=_WHOLE),
        parts("accumulate"),
        parts("store"),
        Series("patients", "patients", patients, time_linear=True, seconds=_WHOLE),
        Series("threads", "CPU threads", threads),
        Series("batch", "cells a batch", batches),
        Series("image_px", "side of the image, px", sides),
        Series("format", "image format", formats),
    ]


def measure_scale(
    record: Record, series: Sequence[Series], scoring: Scoring, scratch: Path
) -> None:
    """Measure all points of ``series``, in the empty folder ``scratch``.

    Where no model is named, a stand-in for the network is made there, and the record says so.
    """
    model = scoring.model or str(write_stand_in(scratch / "stand-in"))
    record.settings |= replace(scoring, model=model).about()
    for one in series:
        for number, point in enumerate(one.points):
            folder = scratch / f"{one.name}-{number}"
            named = replace(point, scoring=replace(point.scoring, model=model))
            record.add(_measured(one, named, folder))
            shutil.rmtree(folder)


def _measured(series: Series, point: Point, folder: Path) -> Row:
    folder.mkdir()
    is_scored = series.task == "score"
    figures = _scored(point, folder) if is_scored else _timed_parts(series.task, point, folder)
    first_s = figures.get("first_result_s")
    return {
        "series": series.name,
        "x": point.x,
        "cells": figures["cells"],
        "patients": point.patients,
        "batch_size": figures.get("batch_size"),
        "threads": point.scoring.threads if is_scored else 1,
        "image_format": point.drawn.image_format if is_scored else None,
        "image_px": point.drawn.side_px if is_scored else None,
        "call_s": figures["call_s"],
        "after_first_s": None if first_s is None else round(figures["call_s"] - first_s, 4),
        "session_s": figures["session_s"],
        "cells_per_s": round(figures["cells"] / figures["session_s"], 1),
        "peak_memory_mib": figures["peak_memory_mib"],
    }


def _timed_parts(task: Task, point: Point, folder: Path) -> Row:
    return in_fresh_process(
        "parts", stage=task, cells=point.cells, patients=point.patients, out=str(folder)
    )


def _scored(point: Point, folder: Path) -> Row:
    source = repeated_input(
        None, point.cells, folder / "input", patients=point.patients, drawn=point.drawn
    )
    figures = score_fresh(source, folder / "run", point.scoring)
    if not figures["scored"] == figures["cells"] == point.cells:
        raise EngineError(
            f"{figures['scored']} of {point.cells} drawn cells were scored: the others' time is "
            "missing, so the point is worth nothing"
        )
    return figures


def verdicts(series: Sequence[Series], measured: Sequence[Row]) -> list[Row]:
    """What each series says that has two points or more."""
    return [row for one in series if (row := verdict(one, measured))]


def fitted_rows(rows: Sequence[Row]) -> list[Row]:
    """Those that the slope is fitted to: from a hundredth of the largest x on."""
    return [row for row in rows if row["x"] >= rows[-1]["x"] / 100]


def verdict(series: Series, measured: Sequence[Row]) -> Row | None:
    """What the series says of time and memory; None if it has fewer than two points in numbers.

    The slope leaves out what is small: there what a process costs at all hides what a cell does.
    """
    rows = [row for row in measured if row["series"] == series.name]
    if len(rows) < 2 or isinstance(rows[0]["x"], str):
        return None
    fitted = fitted_rows(rows)
    x = [row["x"] for row in fitted]
    slopes = {key: log_log_slope(x, [row[key] for row in fitted]) for key in series.seconds}
    steepest = max(slopes, key=slopes.__getitem__)
    slope = slopes[steepest]
    base = next((row for row in rows if row["cells"] >= _BASE_CELLS), rows[0])
    ratio = rows[-1]["peak_memory_mib"] / base["peak_memory_mib"]
    return {
        "series": series.name,
        "time": steepest,
        "time_slope": round(slope, 3),
        "time_slope_at_most": STEEPEST if series.time_linear else None,
        "memory_ratio": round(ratio, 3),
        "memory_ratio_at_most": MOST_MEMORY if series.memory_flat else None,
        "memory_from_x": base["x"],
        "memory_to_x": rows[-1]["x"],
        "good": not (series.time_linear and slope > STEEPEST)
        and not (series.memory_flat and ratio > MOST_MEMORY),
    }


def decades(first: int, last: int) -> list[int]:
    """``first``, ten times that, and so on while below ``last``; then ``last``."""
    powers = []
    while first < last:
        powers.append(first)
        first *= 10
    return [*powers, last]


def doubled(last: int) -> list[int]:
    """1, 2, 4 and so on while below ``last``; then ``last``."""
    return [*(2**k for k in range(last.bit_length()) if 2**k < last), last]
