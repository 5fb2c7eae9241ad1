"""Pictures of what was measured: stages against their limit, and growth on log axes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bloodcell.bench.record import Record, Row
from bloodcell.bench.run import STAGES
from bloodcell.bench.scale import Series, fitted_rows
from bloodcell.bench.tables import number
from bloodcell.files import write_whole
from bloodcell.plots import BLUE, GREEN, GREY, ORANGE, label_axes, new_figure, save_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DOTS_PER_INCH = 150


def save_chart(figure: Figure, path: Path) -> None:
    """Write ``figure`` as PNG if ``path`` ends so, else as SVG; DiskError if it cannot be."""
    if path.suffix.lower() == ".png":
        write_whole(path, lambda beside: figure.savefig(beside, format="png", dpi=_DOTS_PER_INCH))
    else:
        save_svg(figure, path)


def run_chart(record: Record) -> Figure:
    """A bar a stage and one for the whole run, medians with their spread, and the limit."""
    figures = {row["figure"]: row for row in record.figures}
    shown = [figures[name] for name in (*STAGES, "end_to_end") if name in figures]
    figure = new_figure(7, 3.6)
    axes = figure.subplots()
    medians = [row["median"] for row in shown]
    spread = [
        [row["median"] - row["least"] for row in shown],
        [row["most"] - row["median"] for row in shown],
    ]
    colours = [GREEN if row["figure"] == "end_to_end" else BLUE for row in shown]
    names = [row["figure"].replace("_", " ") for row in shown]
    bars = axes.barh(names, medians, xerr=spread, color=colours, ecolor=GREY)
    axes.bar_label(bars, [f" {number(round(value))}" for value in medians], fontsize=8)
    axes.set_xscale("log")
    axes.margins(x=0.15)
    axes.invert_yaxis()
    if "limit" in figures:
        limit = figures["limit"]["median"]
        label = f"limit that the stages allow: {number(round(limit))} cells/s"
        axes.axvline(limit, color=ORANGE, linestyle="--", label=label)
        axes.legend(fontsize=8, loc="lower right")
    label_axes(axes, _title(record), "cells a second (log)", "")
    return figure


_SECONDS = {
    "session_s": "scoring, s",
    "after_first_s": "after the first batch, s",
    "call_s": "whole call, s",
}


def scale_chart(record: Record, series: Sequence[Series]) -> Figure:
    """A row a series: seconds and peak memory against what varies, with the fitted slope."""
    measured = {one.name: [r for r in record.measured if r["series"] == one.name] for one in series}
    drawn = [one for one in series if measured[one.name]]
    figure = new_figure(9, 2.4 * len(drawn))
    grid = figure.subplots(len(drawn), 2, squeeze=False)
    verdicts = {verdict["series"]: verdict for verdict in record.verdicts}
    for (left, right), one in zip(grid, drawn, strict=True):
        rows = measured[one.name]
        seconds = verdicts[one.name]["time"] if one.name in verdicts else one.seconds[0]
        _draw_points(left, one, rows, seconds)
        left.set_yscale("log")
        left.set_ylabel(_SECONDS[seconds])
        _draw_points(right, one, rows, "peak_memory_mib")
        right.set_ylim(0, 1.2 * max(row["peak_memory_mib"] for row in rows))
        right.set_ylabel("peak memory, MiB")
        if one.name in verdicts:
            _draw_slope(left, rows, seconds, verdicts[one.name]["time_slope"])
    return figure


def _draw_points(axes: Axes, series: Series, rows: list[Row], key: str) -> None:
    x = [row["x"] for row in rows]
    axes.plot(x, [row[key] for row in rows], "o-", color=BLUE)
    if not isinstance(x[0], str):
        axes.set_xscale("log")
    label_axes(axes, series.name, series.x_label, "")


def _draw_slope(axes: Axes, rows: list[Row], key: str, slope: float) -> None:
    """The fitted line, over the points that it was fitted to."""
    fitted = fitted_rows(rows)
    x = np.array([row["x"] for row in fitted], float)
    mean_log = np.log([row[key] for row in fitted]).mean() - slope * np.log(x).mean()
    axes.plot(x, np.exp(mean_log) * x**slope, "--", color=ORANGE, label=f"slope {slope:.2f}")
    axes.legend(fontsize=8)


def _title(record: Record) -> str:
    about: dict[str, Any] = record.settings
    return (
        f"{about['model']}, {about['backend']} on {about['device']}, {about['threads']} threads, "
        f"batch {about['batch_size']},\n{about['image_width_px']} x {about['image_height_px']} px "
        f"{about['image_format']}{' (drawn)' if about['drawn'] else ''}"
    )
