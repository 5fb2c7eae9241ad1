"""What a person sees: tables, progress, signals. Loaded only when a command runs."""

import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from bloodcell.run import Run

_LINE_EVERY_S = 10.0


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set; a second signal of the kind ends at once."""
    stop = threading.Event()

    def request(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, previous[number])

    previous: dict[int, Any] = {
        number: signal.signal(number, request) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def progress_shown(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, a line every ten seconds elsewhere; both on standard error."""
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


def log_lines() -> None:
    """Show the package's log on standard error, one line a message, above a progress bar."""
    handler = logging.StreamHandler(_StandardError())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", handlers=[handler])


class _StandardError:
    """Whatever ``sys.stderr`` is now: while a bar is shown, rich puts its own there."""

    def write(self, text: str) -> None:
        sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


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
    rows = [
        (
            patient["patient"],
            patient["cells"],
            patient["rejected"],
            patient["denominator"],
            patient["blasts_counted"],
            _percent(patient["blast_percent_naive"]),
        )
        for patient in run.patients.to_pylist()
    ]
    header = ("patient", "cells", "rejected", "leukocytes", "called blast", "blasts, naive %")
    _print_table(header, rows)
    about = run.about
    reasons = ", ".join(f"{count} {reason}" for reason, count in about["rejected"].items())
    click.echo(
        f"{about['cells']} cells = {about['scored']} scored + "
        f"{about['cells'] - about['scored']} rejected{f' ({reasons})' if reasons else ''}"
    )
    if "session" in about:
        click.echo(f"{about['session']['cells_per_s']} cells/s, {about['backend']['name']}")
    click.echo(f"report: {run.folder / 'report' / 'index.html'}")
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
    _print_table(header, rows)


def print_evaluation(result: dict[str, Any]) -> None:
    """Print what ``evaluate`` found."""
    cells, blast = result["cells"], result["blast"]
    click.echo(
        f"{cells['labelled']} labelled cells, {cells['rejected']} of them rejected, "
        f"{cells['unlabelled']} cells without a label, {cells['labels_not_in_run']} labels of "
        "cells that are not in the run"
    )
    if result["classes"]:
        _print_table(
            ("class", "precision", "sensitivity", "n"),
            [
                (c["class"], _share(c["precision"]), _share(c["sensitivity"]), c["n"])
                for c in result["classes"]
            ],
        )
        click.echo(f"accuracy over all classes: {_share(result['accuracy'])}")
    click.echo(
        f"blast against rest: AUROC {_share(blast['auroc'], 4)} ({blast['n']} blasts), "
        f"calibration error {_share(blast['calibration_error'])}, blast probability of 0.5 or more "
        f"in {_share(blast['called_share_of_others'])} of the other cells"
    )
    _print_table(
        ("patient", "leukocytes", "true blast %", "naive %", "error"),
        [
            (p["patient"], p["leukocytes"], *map(_percent, (p["true"], p["naive"], p["error"])))
            for p in result["patients"]
        ],
    )
    click.echo(f"mean absolute error of the naive share: {_percent(result['naive_error'])} points")
    if result["coverage"] is None:
        click.echo("no adjusted shares in this run, so no coverage of their intervals")
    else:
        click.echo(f"true share inside the adjusted interval: {_share(result['coverage'])}")


def _print_table(header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    table = Table(box=None, pad_edge=False)
    for place, name in enumerate(header):
        table.add_column(name, justify="right" if place else "left", no_wrap=True)
    for row in rows:
        # As Text: a patient named [bold] is a name, not a style.
        table.add_row(*(Text(str(value)) for value in row))
    console = Console()
    if not console.is_terminal:
        # Piped output is for programs and logs: never cut it at 80 columns.
        console = Console(width=200)
    console.print(table)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _share(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
