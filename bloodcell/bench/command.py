"""What every command does around its measurement: begin, keep, print, write, exit."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bloodcell.bench.charts import save_chart
from bloodcell.bench.record import Record
from bloodcell.bench.scoring_options import Scoring
from bloodcell.bench.tables import print_setting
from bloodcell.errors import BloodcellError, InputError
from bloodcell.printed.values import print_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FILES = (".json", ".svg", ".png")


def new_record(command: str, source: Path | None, scoring: Scoring, **settings: Any) -> Record:
    """A record of nothing yet; each row is told on standard error as it comes."""
    about = {"input": "drawn phantoms" if source is None else str(source), "drawn": source is None}
    return Record(command, about | settings | asdict(scoring), partial(click.echo, err=True))


@contextmanager
def measuring(record: Record) -> Iterator[Path]:
    """A scratch folder below $TMPDIR; ``record`` keeps what was measured, whatever ends it."""
    # SIGTERM ends it as Ctrl-C does.
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with record.kept(), tempfile.TemporaryDirectory(prefix="bloodcell-bench-") as folder:
            yield Path(folder)
    finally:
        signal.signal(signal.SIGTERM, previous)


def check_out(out: Path) -> None:
    """InputError if figures could not be written to ``out`` once they are measured."""
    is_file = out.suffix.lower() in _FILES
    if out.exists() and not out.is_dir() and not is_file:
        raise InputError(
            f"--out {out} is a file: it names a folder, or a file that ends in {', '.join(_FILES)}"
        )
    if out.is_dir() and is_file:
        raise InputError(f"--out {out} is a folder: a file is expected where a name ends so")
    there = out.parent if is_file else out
    if is_file and not there.is_dir():
        raise InputError(f"--out {out}: there is no folder {there}")
    while not there.exists():
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"--out {out}: nothing can be written to {there}")


def print_write_and_exit(
    record: Record,
    print_figures: Callable[[Record], None],
    chart: Callable[[], Figure] | None,
    *,
    as_json: bool,
    out: Path | None,
) -> None:
    """Print and write what there is, say why it is not all, and exit with the record's status."""
    if as_json:
        print_json(record.content())
    elif record.measured:
        print_setting(record)
        print_figures(record)
    status = record.exit_status
    if record.why:
        click.echo(f"bloodcell-bench: {record.why}", err=True)
    if out is not None and record.measured:
        try:
            _write(record, out, chart)
        except (BloodcellError, OSError) as error:
            click.echo(f"bloodcell-bench: {error}", err=True)
            status = status or BloodcellError.exit_status
    sys.exit(status)


def _write(record: Record, out: Path, chart: Callable[[], Figure] | None) -> None:
    """JSON and chart into the folder ``out``; or ``out`` is one of them, the other beside it."""
    base = out
    if out.suffix.lower() not in _FILES:
        out.mkdir(parents=True, exist_ok=True)
        base = out / f"{record.command}.json"
    written = [base.with_suffix(".json")]
    record.write(written[0])
    if chart is not None:
        picture = ".png" if base.suffix.lower() == ".png" else ".svg"
        written.append(base.with_suffix(picture))
        save_chart(chart(), written[1])
    click.echo(f"written: {', '.join(map(str, written))}", err=True)
