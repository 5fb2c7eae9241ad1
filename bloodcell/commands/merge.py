"""`bloodcell merge`."""

from pathlib import Path

import click

from bloodcell.command import Shown, command, progress_of
from bloodcell.paths import check_out, check_run
from bloodcell.run_argument import RunArgument
from bloodcell.run_folder import refuse_foreign


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=RunArgument())
@click.option(
    "--out", required=True, type=RunArgument(holds=True), help="Run folder, or URL of one, to make."
)
@command
def merge(*, runs: tuple[Path, ...], out: Path) -> Shown:
    """Join finished runs of different cells into one, as if all had been scored at once."""
    for run in runs:
        check_run(run)
    check_out(out)
    refuse_foreign(out)
    from bloodcell.engine.machine import keep_memory_flat
    from bloodcell.merging import merge as run_merge
    from bloodcell.printed.patients import print_patients

    keep_memory_flat()
    with progress_of("merging", unit="cells") as progress:
        merged = run_merge(runs, out, progress=progress)
    return Shown(merged.about, lambda: print_patients(merged))
