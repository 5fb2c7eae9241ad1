"""`bloodcell score`: the main job."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from bloodcell.command import FiniteRange, Shown, command, progress_of
from bloodcell.engine.backends.choice import BACKEND_NAMES
from bloodcell.engine.object_store import place_of
from bloodcell.given_numbers import MOST_THREADS
from bloodcell.input.first_look import check_given
from bloodcell.paths import DEFAULT_MODEL
from bloodcell.run_argument import NAME_OR_PATH, RunArgument
from bloodcell.terminal import stop_requested

_TOO_MANY_REJECTED = 3
_MOST_TOLD = 10
"""Pairs of patients that are named on the terminal; run.json and the report have more."""


@click.command()
@click.argument("input_", metavar="INPUT", type=NAME_OR_PATH)
@click.option(
    "--out", required=True, type=RunArgument(holds=True),
    help="Run folder, or URL of one, made or resumed.",
)  # fmt: skip
@click.option(
    "--model", metavar="NAME|DIR", type=NAME_OR_PATH,
    help=f"Shipped model or model folder  [default: {DEFAULT_MODEL}]",
)  # fmt: skip
@click.option(
    "--backend",
    type=click.Choice(BACKEND_NAMES),
    default="auto",
    show_default=True,
    help="What runs the network. An explicit choice never falls back.",
)
@click.option(
    "--batch-size", type=click.IntRange(min=1),
    help="Cells a batch; changes speed, never the result  [default: 32; on a GPU its plan's]",
)  # fmt: skip
@click.option("--threads", type=click.IntRange(1, MOST_THREADS), help="CPU threads  [default: all]")
@click.option(
    "--workers", type=click.IntRange(min=1),
    help="Processes  [default: one a GPU; on the CPU one in all]",
)  # fmt: skip
@click.option(
    "--on", metavar="ray[://HOST:PORT]",
    help="Score on the nodes of a Ray cluster; --workers is then the most actors.",
)  # fmt: skip
@click.option(
    "--hardware-decoder", is_flag=True, help="Decode JPEGs by the GPU's own decoder circuit."
)
@click.option(
    "--profile", type=click.Choice(["blood", "marrow"]), default="blood", show_default=True,
    help="What blasts are a share of: leukocytes, or all nucleated cells.",
)  # fmt: skip
@click.option(
    "--blast-equivalents", type=click.Choice(["none", "aml", "apl"]), default="none",
    show_default=True, help="What counts as a blast besides blasts.",
)  # fmt: skip
@click.option(
    "--interval-width", type=FiniteRange(min=0, min_open=True), default=10.0,
    show_default=True, help="Points up to which an interval is narrow enough.",
)  # fmt: skip
@click.option(
    "--max-reject-rate", type=FiniteRange(0, 1), default=0.01, show_default=True,
    help="Exit with status 3 if a larger share of the cells was rejected.",
)  # fmt: skip
@click.option("--resume/--no-resume", default=True, help="Continue a run of the same job.")
@click.option(
    "--retry-rejected", is_flag=True,
    help="Read those cells again that were missing, unreadable or empty.",
)  # fmt: skip
@command
def score(input_: str, out: Path, max_reject_rate: float, **options: Any) -> Shown:
    """Score every cell of INPUT and write a run folder.

    INPUT: a folder with one subfolder a patient, tar shards, or a .csv/.parquet manifest; or the
    URL of one in an object store (s3://, gs://, az://).
    """
    source = place_of(input_)
    counting = ("profile", "blast_equivalents", "interval_width")
    check_given(
        source, out, options["model"], resume=options["resume"],
        **{name: options[name] for name in counting},
    )  # fmt: skip
    from bloodcell.engine.spawning import spawned_ahead

    with nullcontext() if options["on"] else spawned_ahead():
        from bloodcell import repeated_images, unstained
        from bloodcell.engine.machine import keep_memory_flat
        from bloodcell.printed.patients import print_patients
        from bloodcell.scoring import score as run_score

        keep_memory_flat()
        with progress_of("scoring", unit="cells") as progress:
            run = run_score(source, out, stop=stop_requested, progress=progress, **options)
    warnings = [
        *repeated_images.told(run.record.repeated_images, _MOST_TOLD),
        *unstained.told(run.record.unstained, _MOST_TOLD),
    ]
    shown = Shown(run.about, lambda: print_patients(run), warnings)
    if run.reject_rate <= max_reject_rate:
        return shown
    warnings.append(
        f"{100 * run.reject_rate:.2f} % of the cells were rejected, more than "
        f"--max-reject-rate {max_reject_rate}: see the reasons in {run.folder / 'run.json'}"
    )
    return replace(shown, exit_status=_TOO_MANY_REJECTED)
