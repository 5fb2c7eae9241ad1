"""Pictures of an evaluation, drawn from its figures alone: never from a cell's image."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from bloodcell.plots import BLUE, GREY, ORANGE, label_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_roc(figures: dict[str, Any]) -> Figure | None:
    """The ROC curve of blast against rest; None unless there are blasts and others."""
    blast = figures["blast"]
    if not blast["roc"]:
        return None
    figure = new_figure(5, 5.2)
    axes = figure.subplots()
    title = f"Blast against rest: AUROC {_with_interval(blast, 'auroc')}\n{_counts(blast)}"
    alarm_rate = "false-positive rate (share of the other cells)"
    label_axes(axes, title, alarm_rate, "sensitivity (share of the blasts)")
    _diagonal(axes, 1, "chance")
    alarms = [point["false_positive_rate"] for point in blast["roc"]]
    hits = [point["sensitivity"] for point in blast["roc"]]
    axes.plot(alarms, hits, color=BLUE, label=figures["model"])
    called = f"called at probability {blast['threshold']} and more"
    axes.plot(1 - blast["specificity"], blast["sensitivity"], "o", color=ORANGE, label=called)
    axes.legend(loc="lower right", frameon=False, fontsize=8)
    return figure


def draw_groups(figures: dict[str, Any]) -> Figure | None:
    """The ROC curve of each group of a paper's form; None where there is none to draw."""
    rows = [row for row in figures.get("paper", {}).get("groups", []) if row["roc"]]
    if not rows:
        return None
    figure = new_figure(5, 5.2)
    axes = figure.subplots()
    title = f"{figures['model']}\nas {figures['paper']['title']}"
    alarm_rate = "false-positive rate (share of the other cells)"
    label_axes(axes, title, alarm_rate, "sensitivity (share of the group's cells)")
    _diagonal(axes, 1, "chance")
    for row, color in zip(rows, itertools.cycle((BLUE, ORANGE)), strict=False):
        label = f"{row['group']}: AUROC {row['auroc']:.3f}, {_number_of(row['n'], 'cell')}"
        alarms = [point["false_positive_rate"] for point in row["roc"]]
        axes.plot(alarms, [point["sensitivity"] for point in row["roc"]], color=color, label=label)
    axes.legend(loc="lower right", frameon=False, fontsize=8)
    return figure


def draw_reliability(figures: dict[str, Any]) -> Figure | None:
    """Share of blasts against blast probability, with the cells a bin; None without cells."""
    blast = figures["blast"]
    bins = [row for row in blast["reliability"] if row["n"]]
    if not bins:
        return None
    figure = new_figure(5, 6.2)
    axes, below = figure.subplots(2, sharex=True, height_ratios=[3, 1])
    error = _with_interval(blast, "calibration_error")
    title = f"Blast probability: calibration error {error}\n{_counts(blast)}"
    label_axes(axes, title, "", "share of blasts among the cells of a bin")
    _diagonal(axes, 1, "perfectly calibrated")
    means = [row["mean_probability"] for row in bins]
    axes.plot(means, [row["blast_share"] for row in bins], "o-", color=BLUE, label=figures["model"])
    axes.legend(loc="upper left", frameon=False, fontsize=8)
    _draw_bin_sizes(below, bins)
    return figure


def _draw_bin_sizes(axes: Axes, bins: list[dict[str, Any]]) -> None:
    label_axes(axes, "", "blast probability (mean of a bin)", "cells a bin")
    width = bins[0]["high"] - bins[0]["low"]
    middles = [(row["low"] + row["high"]) / 2 for row in bins]
    bars = axes.bar(middles, [row["n"] for row in bins], 0.9 * width, color=BLUE)
    axes.bar_label(bars, fontsize=7)
    # Most cells are in the outermost bins; the few between are what the curve rests on.
    axes.set_yscale("log")
    axes.set_ylim(0.7, 4 * max(row["n"] for row in bins))


def draw_shares(figures: dict[str, Any]) -> Figure | None:
    """Naive and adjusted share against the true one, a patient a point; None without patients."""
    rows = [row for row in figures["patients"] if row["true_percent"] is not None]
    if not rows:
        return None
    figure = new_figure(5, 5.4)
    axes = figure.subplots()
    title = _shares_title(figures, sum(row["leukocytes"] for row in rows))
    true_share = "true share of blasts (% of leukocytes, by the labels)"
    label_axes(axes, title, true_share, "estimated share of blasts (% of leukocytes)")
    _diagonal(axes, 100, "no error")
    adjusted = [row for row in rows if row["adjusted_percent"] is not None]
    if adjusted:
        _draw_adjusted(axes, adjusted)
    naive = [row for row in rows if row["naive_percent"] is not None]
    _points(axes, naive, "naive_percent", marker="o", color=ORANGE, mfc="none", label="naive")
    axes.legend(loc="upper left", frameon=False, fontsize=8)
    return figure


def _draw_adjusted(axes: Axes, rows: list[dict[str, Any]]) -> None:
    label = "adjusted, 95 % interval"
    _points(axes, rows, "adjusted_percent", marker="s", color=BLUE, label=label)
    ends = ("true_percent", "adjusted_percent_low", "adjusted_percent_high")
    intervals = [[row[end] for end in ends] for row in rows if row[ends[1]] is not None]
    axes.vlines(*np.reshape(intervals, (-1, 3)).T, color=BLUE, linewidth=1)


def _points(axes: Axes, rows: list[dict[str, Any]], column: str, **style: Any) -> None:
    true, estimated = [row["true_percent"] for row in rows], [row[column] for row in rows]
    axes.plot(true, estimated, linestyle="none", markersize=5, clip_on=False, **style)


def _shares_title(figures: dict[str, Any], leukocytes: int) -> str:
    totals = figures["totals"]
    if totals["adjusted_patients"]:
        # Both over the same patients: those with an adjusted share.
        errors = (
            f"naive off by {_points_off(totals['naive_error_points_of_adjusted'])}, "
            f"adjusted by {_points_off(totals['adjusted_error_points'])}"
        )
    else:
        errors = f"naive off by {_points_off(totals['naive_error_points'])} on average"
    if totals["intervals"]:
        errors += f"\n{totals['covered']} of {totals['intervals']} intervals hold the true share"
    cells, patients = _number_of(leukocytes, "leukocyte"), _number_of(totals["patients"], "patient")
    return f"{figures['model']}\n{errors}\n{cells} of {patients}"


def _points_off(error: float | None) -> str:
    return "-" if error is None else f"{error:.1f} points"


def draw_confusion(figures: dict[str, Any]) -> Figure | None:
    """Counts of what was called what, shaded by the share of the labelled class."""
    confusion = figures["confusion"]
    counts = np.array(confusion["counts"], np.int64)
    if not counts.size:
        return None
    rows, columns = counts.shape
    figure = new_figure(3.4 + 0.38 * columns, 3 + 0.32 * rows)
    axes = figure.subplots()
    label_axes(axes, _confusion_title(figures), "called class", "labelled class")
    axes.grid(visible=False)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # As paths, not as an embedded bitmap.
    axes.pcolormesh(
        range(columns), range(rows), share, cmap="Blues", vmin=0, vmax=1.2, edgecolors="white"
    )
    axes.invert_yaxis()
    axes.set_xticks(range(columns), confusion["called"], rotation=90, fontsize=8)
    axes.set_yticks(range(rows), confusion["labels"], fontsize=8)
    for row, column in np.argwhere(counts):
        axes.text(
            column, row, str(counts[row, column]), ha="center", va="center", fontsize=7,
            color="white" if share[row, column] > 0.6 else "black",
        )  # fmt: skip
    return figure


def _confusion_title(figures: dict[str, Any]) -> str:
    lines = [figures["model"], _counts(figures["blast"]), "number of cells; shade: share of a row"]
    if figures["accuracy"] is not None:
        lines[0] += (
            f": accuracy {figures['accuracy']:.3f}, balanced {figures['balanced_accuracy']:.3f}"
        )
    return "\n".join(lines)


PICTURES: dict[str, Callable[[dict[str, Any]], Figure | None]] = {
    "roc.svg": draw_roc,
    "groups.svg": draw_groups,
    "reliability.svg": draw_reliability,
    "shares.svg": draw_shares,
    "confusion.svg": draw_confusion,
}
"""What is drawn into ``evaluation/``, by file name."""


def _diagonal(axes: Axes, end: float, label: str) -> None:
    axes.plot([0, end], [0, end], "--", color=GREY, linewidth=1, label=label)
    margin = 0.02 * end
    axes.set_xlim(-margin, end + margin)
    axes.set_ylim(-margin, end + margin)


def _with_interval(blast: dict[str, Any], name: str) -> str:
    value, low, high = blast[name], blast[f"{name}_low"], blast[f"{name}_high"]
    return f"{value:.3f}" + ("" if low is None else f" (95 % {low:.3f} to {high:.3f})")


def _counts(blast: dict[str, Any]) -> str:
    cells, patients = _number_of(blast["cells"], "cell"), _number_of(blast["patients"], "patient")
    return f"{cells} of {patients}, {_number_of(blast['blasts'], 'blast')}"


def _number_of(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
