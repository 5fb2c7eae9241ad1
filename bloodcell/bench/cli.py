"""`bloodcell-bench`. Only click is imported here, so that ``--help`` answers at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bloodcell import __version__
from bloodcell.caches import keep_library_caches_together
from bloodcell.engine.backends.choice import BACKEND_NAMES

if TYPE_CHECKING:
    from bloodcell.bench.fresh import Scoring

Command = TypeVar("Command", bound=Callable[..., Any])
_PATH = click.Path(path_type=Path)
SERIES = ("cells", "accumulate", "store", "patients", "threads", "batch", "image_px", "format")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Measure bloodcell on this machine: how fast, how cost grows, what leaks, against whom."""
    keep_library_caches_together()


def _scoring_options(command: Command) -> Command:
    """The options of `bloodcell score` that change its speed, and what every command prints."""
    for option in (
        click.option("--out", type=_PATH, help="Folder or file for JSON and chart (.svg, .png)."),
        click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables."),
        click.option(
            "--threads", type=click.IntRange(min=1), help="CPU threads  [default: all]"
        ),
        click.option(
            "--batch-size", type=click.IntRange(min=1),
            help="Cells a batch  [default: 32 on the CPU, on a GPU what its network takes]",
        ),
        click.option(
            "--backend",
            type=click.Choice(BACKEND_NAMES),
            default="auto", show_default=True, help="What runs the network.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def _model_option(default: str) -> Callable[[Command], Command]:
    return click.option(
        "--model", metavar="NAME|DIR", help=f"Shipped model or model folder.  [default: {default}]"
    )


def _cells_option(
    default: int, meaning: str = "Cells to score; the images are repeated to so many."
) -> Callable[[Command], Command]:
    return click.option(
        "--cells", type=click.IntRange(min=1), default=default, show_default=True, help=meaning
    )


@main.command()
@click.argument("input_", metavar="[INPUT]", required=False, type=_PATH)
@_cells_option(2048)
@click.option(
    "--repeats", type=click.IntRange(min=1), default=5, show_default=True,
    help="Rounds that count, after one of warm-up.",
)  # fmt: skip
@_model_option("the one of `bloodcell score`")
@_scoring_options
def run(
    *,
    input_: Path | None,
    cells: int,
    repeats: int,
    as_json: bool,
    out: Path | None,
    **options: Any,
) -> None:
    """Cells a second end to end and of each stage alone, and the limit that the stages allow.

    INPUT is what `bloodcell score` takes; phantoms are drawn without one.
    """
    from bloodcell.bench.charts import run_chart
    from bloodcell.bench.command import end, measuring, new_record
    from bloodcell.bench.run import measure_run, summary
    from bloodcell.bench.tables import print_run

    scoring = _scoring(**options)
    record = new_record("run", input_, scoring, cells=cells, repeats=repeats)
    with measuring(record) as scratch:
        measure_run(
            record, source=input_, cells=cells, scoring=scoring, repeats=repeats, scratch=scratch
        )
    record.figures = summary(record)
    end(record, print_run, as_json=as_json, out=out, chart=lambda: run_chart(record))


@main.command()
@click.option(
    "--only", type=click.Choice(SERIES), multiple=True,
    help="A series to measure; may be repeated.  [default: all]",
)  # fmt: skip
@click.option(
    "--largest-cells", type=click.IntRange(min=2), default=10**6, show_default=True,
    help="End to end, from 1,000 on.",
)  # fmt: skip
@click.option(
    "--largest-parts", type=click.IntRange(min=2), default=10**8, show_default=True,
    help="Cells accumulated or stored, from 1,000,000 on.",
)  # fmt: skip
@click.option(
    "--largest-patients", type=click.IntRange(min=2), default=10**5, show_default=True,
    help="Patients, and cells in each of that series' points.",
)  # fmt: skip
@_cells_option(4096, "Cells in each point of the other series.")
@_model_option("a stand-in that costs next to nothing")
@_scoring_options
def scale(
    *,
    only: tuple[str, ...],
    cells: int,
    largest_cells: int,
    largest_parts: int,
    largest_patients: int,
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """How time and memory grow with cells, patients, threads, batch, image size and format.

    All cells are drawn. Status 1 if time is not linear in the cells or memory not flat.
    """
    from bloodcell.bench.charts import scale_chart
    from bloodcell.bench.command import end, measuring, new_record
    from bloodcell.bench.scale import Sizes, all_series, measure_scale, verdicts
    from bloodcell.bench.tables import print_scale

    sizes = Sizes(largest_cells, largest_parts, largest_patients, cells)
    scoring = _scoring(**options)
    series = [one for one in all_series(sizes, scoring) if one.name in (only or SERIES)]
    record = new_record("scale", None, scoring)
    with measuring(record) as scratch:
        measure_scale(record, series, scoring, scratch)
    record.verdicts = verdicts(series, record.measured)
    end(record, print_scale, as_json=as_json, out=out, chart=lambda: scale_chart(record, series))


@main.command()
@click.argument("input_", metavar="[INPUT]", required=False, type=_PATH)
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), required=True,
    help="How long to score the input again and again.",
)  # fmt: skip
@click.option(
    "--negligible-mib", type=click.FloatRange(min=0), default=5.0, show_default=True,
    help="Growth of memory, in all, that does not count.",
)  # fmt: skip
@_cells_option(1024)
@_model_option("the one of `bloodcell score`")
@_scoring_options
def soak(
    *,
    input_: Path | None,
    minutes: float,
    negligible_mib: float,
    cells: int,
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Score the same input for so long in one process: does speed drift, does anything grow?

    Status 1 if memory, open handles or threads grow.
    """
    from bloodcell.bench.command import end, measuring, new_record
    from bloodcell.bench.soak import measure_soak, soak_figures, soak_verdicts
    from bloodcell.bench.tables import print_soak
    from bloodcell.engine.machine import keep_memory_flat

    keep_memory_flat()  # as `bloodcell score` does
    scoring = _scoring(**options)
    record = new_record(
        "soak", input_, scoring, cells=cells, minutes=minutes, negligible_mib=negligible_mib
    )
    with measuring(record) as scratch:
        measure_soak(
            record, source=input_, cells=cells, scoring=scoring, minutes=minutes, scratch=scratch
        )
    record.figures = soak_figures(record.measured)
    record.verdicts = soak_verdicts(record.measured, negligible_mib)
    end(record, print_soak, as_json=as_json, out=out)


@main.command()
@click.argument("input_", metavar="[INPUT]", required=False, type=_PATH)
@_cells_option(2048)
@click.option(
    "--rounds", type=click.IntRange(min=1), default=5, show_default=True,
    help="How often each scores all cells, after a warm-up.",
)  # fmt: skip
@_model_option("the one of `bloodcell score`")
@_scoring_options
def peers(
    *,
    input_: Path | None,
    cells: int,
    rounds: int,
    as_json: bool,
    out: Path | None,
    **options: Any,
) -> None:
    """The same images and weights by bloodcell and by what one would take instead, in turn.

    Each has a process of its own. From files to the class of every cell, decoding included.
    Status 1 if a peer calls more than 5 % of the cells otherwise than bloodcell does.
    """
    from bloodcell.bench.command import end, measuring, new_record
    from bloodcell.bench.peers.comparison import measure_peers, peers_figures, peers_verdicts
    from bloodcell.bench.peers.table import print_peers

    scoring = _scoring(**options)
    record = new_record("peers", input_, scoring, cells=cells, rounds=rounds)
    why_not: dict[str, str] = {}
    with measuring(record) as scratch:
        measure_peers(
            record,
            source=input_,
            cells=cells,
            scoring=scoring,
            rounds=rounds,
            scratch=scratch,
            why_not=why_not,
        )
    record.figures = peers_figures(record.measured, why_not)
    record.verdicts = peers_verdicts(record.measured)
    end(record, print_peers, as_json=as_json, out=out)


def _scoring(threads: int | None, **options: Any) -> Scoring:
    from bloodcell.bench.fresh import Scoring
    from bloodcell.engine.machine import usable_cores

    return Scoring(threads=threads or usable_cores(), **options)


if __name__ == "__main__":
    main()
