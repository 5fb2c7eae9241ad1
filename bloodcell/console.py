"""What a person sees: results and progress. Loaded only when a command runs."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pyarrow as pa
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from bloodcell.review.apply import Applied
from bloodcell.review.folder import ReviewFolder
from bloodcell.run import Run
from bloodcell.source_watch import NOT_READ
from bloodcell.text_tables import print_table, printable
from bloodcell.unstained import lacks_stain

_LINE_EVERY_S = 10.0
_MOST_NAMES = 5
"""Of patients, in a line."""


@contextmanager
def progress_shown(what: str, unit: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, a line every ten seconds elsewhere; both on standard error."""
    if quiet:
        yield lambda _done, _total: None
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _LineProgress(what, unit)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class _LineProgress:
    def __init__(self, what: str, unit: str) -> None:
        self._what, self._unit = what, unit
        self._last = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done < total and now - self._last < _LINE_EVERY_S:
            return
        self._last = now
        click.echo(f"{self._what}: {done} of {total} {self._unit}", err=True)


def print_json(content: Any) -> None:
    """Print machine-readable output."""
    click.echo(json.dumps(content, indent=2, ensure_ascii=False))


def print_pairs(pairs: dict[str, Any]) -> None:
    """Print names and values, one pair a line."""
    width = max(len(name) for name in pairs)
    for name, value in pairs.items():
        click.echo(f"{name:<{width}}  {value}")


def print_patients(run: Run) -> None:
    """Print the table of patients and where everything is."""
    patients = run.patients.to_pylist()
    rows = [
        (
            patient["patient"],
            patient["cells"],
            patient["rejected"],
            patient["denominator"],
            patient["blasts_counted"],
            # A question mark: what its images are of is the question.
            _percent(patient["blast_percent_naive"])
            + (" ?" if lacks_stain(patient.get("unstained", 0), patient["scored"]) else ""),
            _percent(patient["blast_percent"]),
            _from_to(patient["blast_percent_low"], patient["blast_percent_high"], _percent),
        )
        for patient in patients
    ]
    header = (
        "patient", "cells", "rejected", "denominator", "called blast", "blasts, naive %",
        "adjusted %", "95 %",
    )  # fmt: skip
    print_table(header, rows)
    reasons_not = Counter(p["adjustment"] for p in patients if p["blast_percent"] is None)
    for reason, count in sorted(reasons_not.items()):
        click.echo(f"not adjusted: {count} patients, {reason}")
    counts, session = run.counts, run.record.session
    reasons = ", ".join(f"{count} {reason}" for reason, count in counts.rejected.items())
    click.echo(
        f"{counts.cells} cells = {counts.scored} scored + {counts.cells - counts.scored} rejected"
        f"{f' ({reasons})' if reasons else ''}"
    )
    if run.record.unidentified is not None:
        of_scored = _percent(
            100 * run.record.unidentified / counts.scored if counts.scored else None
        )
        click.echo(
            f"{run.record.unidentified} unidentified ({of_scored} % of the scored): more likely "
            "something else than what they are called"
        )
    if again := sum(counts.rejected.get(reason, 0) for reason in NOT_READ):
        click.echo(f"{again} cells were not there or unreadable: --retry-rejected reads them again")
    if session:
        click.echo(f"{session.cells_per_s} cells/s, {run.record.backend.name}")
    click.echo(f"report: {run.folder / 'report' / 'index.html'}")
    click.echo("Research use only: never a diagnosis.")


def print_plan(plan: pa.Table, path: Path) -> None:
    """Print how many cells of each patient and batch are planned."""
    counts = plan.group_by(["patient", "batch"], use_threads=False).aggregate([("row", "count")])
    print_table(("patient", "batch", "cells"), list(zip(*counts.to_pydict().values(), strict=True)))
    click.echo(f"plan: {path}")


def print_applied(applied: Applied) -> None:
    """Print what has come of answers: shares of their patients, agreement, what is open."""
    header = ("patient", "status", "cells looked at", "blasts %", "95 %", "estimated by")
    rows = [
        (
            row["patient"],
            row["status"],
            row["cells_looked_at"],
            _percent(row["blast_percent"]),
            _from_to(row["blast_percent_low"], row["blast_percent_high"], _percent),
            row["basis"],
        )
        for row in applied.patients
    ]
    print_table(header, rows)
    for two in applied.agreement:
        by_class = ", ".join(f"{c} {_share(k, 2)}" for c, k in two["kappa_by_class"].items())
        click.echo(
            f"{' and '.join(map(printable, two['reviewers']))}: {two['agreed']} of {two['cells']} "
            f"cells alike, kappa {_share(two['kappa'], 2)} ({by_class})"
        )
    if applied.disputed:
        path = ReviewFolder(applied.run.folder).disagreements_path
        click.echo(f"{len(applied.disputed)} cells need a further reading: {path}")
    if applied.waiting:
        names = ", ".join(map(printable, list(applied.waiting)[:_MOST_NAMES]))
        more = ", ..." if len(applied.waiting) > _MOST_NAMES else ""
        click.echo(
            f"{sum(applied.waiting.values())} cells wait to be looked at, patients: "
            f"{len(applied.waiting)} ({names}{more}): open the report again"
        )
    click.echo("Research use only: never a diagnosis.")


def print_networks(entries: list[dict[str, Any]]) -> None:
    """Print what the catalogue says of models or recipes, one a row."""
    shown: dict[str, tuple[str, Callable[[Any], str]]] = {
        "input_px": ("input px", str),
        "parameters": ("parameters", lambda value: f"{value / 1e6:.2f} M"),
        "gmacs": ("GMACs", lambda value: f"{value:.2f}"),
        "cells_per_s": ("cells/s here", lambda value: f"{value:.0f}"),
        "blast_auroc_held_out": ("blast AUROC, held out", _share),
    }
    header = tuple(shown[key][0] if key in shown else key for key in entries[0])
    rows = [
        tuple(shown[key][1](value) if key in shown else value for key, value in entry.items())
        for entry in entries
    ]
    print_table(header, rows)


def print_evaluation(figures: dict[str, Any], folder: Path) -> None:
    """Print the figures of ``evaluate``, which lie in ``folder`` too."""
    cells = figures["cells"]
    click.echo(
        f"{cells['labelled']} labelled cells, {cells['rejected']} of them rejected, "
        f"{cells['unlabelled']} cells without a label, {cells['labels_not_in_run']} labels of "
        f"cells that are not in the run, {cells['labels_left_out']} labels left out"
    )
    if figures["classes"]:
        _print_classes(figures)
    _print_unidentified(figures["unidentified"])
    _print_blast(figures["blast"])
    _print_shares(figures)
    click.echo(f"figures and pictures: {folder}")
    click.echo("Research use only: never a diagnosis.")


def _print_classes(figures: dict[str, Any]) -> None:
    print_table(
        ("class", "precision", "sensitivity", "n"),
        [
            (c["class"], _share(c["precision"]), _share(c["sensitivity"]), c["n"])
            for c in figures["classes"]
        ],
    )
    click.echo(
        f"accuracy over all classes: {_share(figures['accuracy'])}, balanced accuracy: "
        f"{_share(figures['balanced_accuracy'])}"
    )


def _print_unidentified(unidentified: dict[str, Any]) -> None:
    own, others = (
        _share(unidentified[name], 2)
        for name in ("called_as_labelled", "others_called_as_labelled")
    )
    click.echo(
        f"{unidentified['cells']} unidentified ({_percent(unidentified['percent'])} %); called as "
        f"labelled: {own} of them, {others} of the others"
    )


def _print_blast(blast: dict[str, Any]) -> None:
    click.echo(
        f"blast against rest: AUROC {_with_interval(blast, 'auroc', 4)}, calibration error "
        f"{_with_interval(blast, 'calibration_error', 3)}; {blast['cells']} cells, "
        f"{blast['blasts']} of them blasts; patients: {blast['patients']}"
    )
    click.echo(
        f"at blast probability {blast['threshold']}: sensitivity {_share(blast['sensitivity'])}, "
        f"specificity {_share(blast['specificity'])}"
    )
    for name, text in (
        ("leukocytes", "leukocytes"),
        ("leukocytes_not_blast", "leukocytes that are no blasts"),
    ):
        called = blast[name]
        click.echo(
            f"{text}: {called['called_blast']} of {called['n']} called blast "
            f"({_percent(called['called_blast_percent'], 2)} %), blast probability of "
            f"{blast['threshold']} or more in {_percent(called['reached_percent'], 2)} %"
        )


def _print_shares(figures: dict[str, Any]) -> None:
    print_table(
        (
            "patient", "leukocytes", "true blast %", "naive %", "error", "adjusted %",
            "95 % interval", "error", "covered",
        ),
        [
            (
                row["patient"],
                row["leukocytes"],
                _percent(row["true_percent"]),
                _percent(row["naive_percent"]),
                _percent(row["naive_error_points"]),
                _percent(row["adjusted_percent"]),
                _from_to(row["adjusted_percent_low"], row["adjusted_percent_high"], _percent),
                _percent(row["adjusted_error_points"]),
                {None: "-", True: "yes", False: "no"}[row["covered"]],
            )
            for row in figures["patients"]
        ],
    )  # fmt: skip
    totals = figures["totals"]
    click.echo(
        f"absolute error of the naive share: {_errors(totals, 'naive_error')} "
        f"(patients: {totals['patients']})"
    )
    if totals["adjusted_patients"]:
        click.echo(
            f"absolute error of the adjusted share: {_errors(totals, 'adjusted_error')} (patients: "
            f"{totals['adjusted_patients']}; mean error of their naive share: "
            f"{_percent(totals['naive_error_points_of_adjusted'])}); true share inside the "
            f"interval: {totals['covered']} of {totals['intervals']}"
        )
    else:
        click.echo("no adjusted shares in this run, so no coverage of their intervals")


def _errors(totals: dict[str, Any], error: str) -> str:
    """Over patients, in points."""
    mean, median, nine_tenths = (
        _percent(totals[f"{error}{of}_points"]) for of in ("", "_median", "_90th_percentile")
    )
    return f"mean {mean}, median {median}, 90th percentile {nine_tenths} points"


def _with_interval(blast: dict[str, Any], name: str, digits: int) -> str:
    low, high = blast[f"{name}_low"], blast[f"{name}_high"]
    interval = _from_to(low, high, lambda value: _share(value, digits))
    return f"{_share(blast[name], digits)} (95 % interval over patients: {interval})"


def _from_to(low: float | None, high: float | None, text: Callable[[float], str]) -> str:
    return "-" if low is None or high is None else f"{text(low)} to {text(high)}"


def _percent(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _share(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
