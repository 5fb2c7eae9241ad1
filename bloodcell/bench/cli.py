"""`bloodcell-bench`. Only click is imported here, so that ``--help`` answers at once."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import click

from bloodcell import __version__
from bloodcell.bench.scoring_options import Scoring
from bloodcell.caches import keep_library_caches_together
from bloodcell.engine.backends.choice import BACKEND_NAMES
from bloodcell.given_numbers import MOST_THREADS
from bloodcell.paths import DEFAULT_MODEL
from bloodcell.run_argument import PathArgument

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bloodcell.bench.record import Record

    Measured: TypeAlias = tuple[Record, Callable[[Record], None], Callable[[], Figure] | None]
    """A record, what prints its figures, and what draws them, if anything."""

Command = TypeVar("Command", bound=Callable[..., Any])
_PATH = PathArgument()
_input_argument = click.argument("input_", metavar="[INPUT]", required=False, type=_PATH)
SERIES = ("cells", "accumulate", "store", "patients", "threads", "batch", "image_px", "format")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Measure bloodcell on this machine: how fast, how cost grows, what leaks, against whom."""
    keep_library_caches_together()


def _measurement(model: str) -> Callable[[Callable[..., Measured]], Callable[..., None]]:
    """What all commands share: options of `bloodcell score` that change its speed, and the output.

    The command gets them as ``scoring``. What it returns is printed and written. ``model``: the
    default, in words.
    """

    def decorated(command: Callable[..., Measured]) -> Callable[..., None]:
        @functools.wraps(command)
        def measure(
            *,
            model: str | None,
            backend: str,
            batch_size: int | None,
            threads: int | None,
            as_json: bool,
            out: Path | None,
            **own: Any,
        ) -> None:
            from bloodcell.bench.command import check_out, print_write_and_exit
            from bloodcell.engine.machine import usable_cores
            from bloodcell.errors import InputError

            try:
                if out is not None:
                    check_out(out)
            except InputError as error:
                click.echo(f"bloodcell-bench: {error}", err=True)
                sys.exit(InputError.exit_status)
            scoring = Scoring(model, backend, batch_size, threads or usable_cores())
            record, print_figures, chart = command(scoring=scoring, **own)
            print_write_and_exit(record, print_figures, chart, as_json=as_json, out=out)

        for option in reversed(_shared_options(model)):
            measure = option(measure)
        return measure

    return decorated


def _shared_options(model: str) -> list[Callable[[Command], Command]]:
    return [
        click.option(
            "--model", metavar="NAME|DIR",
            help=f"Shipped model or model folder.  [default: {model}]",
        ),
        click.option(
            "--backend", type=click.Choice(BACKEND_NAMES), default="auto", show_default=True,
            help="What runs the network.",
        ),
        click.option(
            "--batch-size", type=click.IntRange(min=1),
            help="Cells a batch  [default: 32 on the CPU, on a GPU what its network takes]",
        ),
        click.option(
            "--threads", type=click.IntRange(1, MOST_THREADS), help="CPU threads  [default: all]"
        ),
        click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables."),
        click.option("--out", type=_PATH, help="Folder or file for JSON and chart (.svg, .png)."),
    ]  # fmt: skip


def _count_option(
    name: str, default: int, meaning: str, *, least: int = 1
) -> Callable[[Command], Command]:
    kind = click.IntRange(min=least)
    return click.option(name, type=kind, default=default, show_default=True, help=meaning)


_CELLS = "Cells to score; the images are repeated to so many."


@main.command()
@_input_argument
@_count_option("--cells", 2048, _CELLS)
@_count_option("--repeats", 5, "Rounds that count, after one of warm-up.")
@_measurement(DEFAULT_MODEL)
def run(*, input_: Path | None, cells: int, repeats: int, scoring: Scoring) -> Measured:
    """Cells a second end to end and of each stage alone, and the limit that the stages allow.

    INPUT is what `bloodcell score` takes; phantoms are drawn without one.
    """
    from bloodcell.bench.charts import run_chart
    from bloodcell.bench.command import measuring, new_record
    from bloodcell.bench.inputs import repeated_input
    from bloodcell.bench.run import measure_run, summary
    from bloodcell.bench.tables import print_run

    record = new_record("run", input_, scoring, cells=cells, repeats=repeats)
    with measuring(record) as scratch:
        manifest = repeated_input(input_, cells, scratch / "input")
        measure_run(record, manifest, scoring, repeats, scratch)
    record.figures = summary(record)
    return record, print_run, lambda: run_chart(record)


@main.command()
@click.option(
    "--only", type=click.Choice(SERIES), multiple=True,
    help="A series to measure; may be repeated.  [default: all]",
)  # fmt: skip
@_count_option("--largest-cells", 10**6, "End to end, from 1,000 on.", least=2)
@_count_option("--largest-parts", 10**8, "Cells accumulated or stored, from 1,000,000 on.", least=2)
@_count_option(
    "--largest-patients", 10**5, "Patients, and cells in each of that series' points.", least=2
)
@_count_option("--cells", 4096, "Cells in each point of the other series.")
@_measurement("a stand-in that costs next to nothing")
def scale(*, only: tuple[str, ...], scoring: Scoring, **sizes: int) -> Measured:
    """How time and memory grow with cells, patients, threads, batch, image size and format.

    All cells are drawn. Status 1 if time is not linear in the cells or memory not flat.
    """
    from bloodcell.bench.charts import scale_chart
    from bloodcell.bench.command import measuring, new_record
    from bloodcell.bench.scale import all_series, measure_scale, verdicts
    from bloodcell.bench.tables import print_scale

    asked = [one for one in all_series(scoring, **sizes) if one.name in (only or SERIES)]
    record = new_record("scale", None, scoring)
    with measuring(record) as scratch:
        measure_scale(record, asked, scoring, scratch)
    record.verdicts = verdicts(asked, record.measured)
    return record, print_scale, lambda: scale_chart(record, asked)


@main.command()
@_input_argument
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), required=True,
    help="How long to score the input again and again.",
)  # fmt: skip
@click.option(
    "--negligible-mib", type=click.FloatRange(min=0), default=5.0, show_default=True,
    help="Growth of memory, in all, that does not count.",
)  # fmt: skip
@_count_option("--cells", 1024, _CELLS)
@_measurement(DEFAULT_MODEL)
def soak(
    *, input_: Path | None, minutes: float, negligible_mib: float, cells: int, scoring: Scoring
) -> Measured:
    """Score the same input for so long in one process: does speed drift, does anything grow?

    Status 1 if memory, open handles or threads grow.
    """
    from bloodcell.bench.command import measuring, new_record
    from bloodcell.bench.inputs import repeated_input
    from bloodcell.bench.soak import measure_soak, soak_figures, soak_verdicts
    from bloodcell.bench.tables import print_soak
    from bloodcell.engine.machine import keep_memory_flat

    keep_memory_flat()  # as `bloodcell score` does
    options = {"cells": cells, "minutes": minutes, "negligible_mib": negligible_mib}
    record = new_record("soak", input_, scoring, **options)
    with measuring(record) as scratch:
        measure_soak(record, repeated_input(input_, cells, scratch / "input"), scoring, minutes)
    record.figures = soak_figures(record.measured)
    record.verdicts = soak_verdicts(record.measured, negligible_mib)
    return record, print_soak, None


@main.command()
@_input_argument
@_count_option("--cells", 2048, _CELLS)
@_count_option("--rounds", 5, "How often each scores all cells, after a warm-up.")
@_measurement(DEFAULT_MODEL)
def peers(*, input_: Path | None, cells: int, rounds: int, scoring: Scoring) -> Measured:
    """The same images and weights by bloodcell and by what one would take instead, in turn.

    Each has a process of its own. From files to the class of every cell, decoding included.
    Status 1 if a peer calls more than 5 % of the cells otherwise than bloodcell does.
    """
    from bloodcell.bench.command import measuring, new_record
    from bloodcell.bench.inputs import repeated_input
    from bloodcell.bench.peers.comparison import measure_peers, peers_figures, peers_verdicts
    from bloodcell.bench.tables import print_peers

    record = new_record("peers", input_, scoring, cells=cells, rounds=rounds)
    why_not: dict[str, str] = {}
    with measuring(record) as scratch:
        manifest = repeated_input(input_, cells, scratch / "input")
        measure_peers(record, manifest, scoring, rounds, why_not)
    record.figures = peers_figures(record.measured, why_not)
    record.verdicts = peers_verdicts(record.measured)
    return record, print_peers, None


if __name__ == "__main__":
    main()
