"""`bloodcell export`."""

from pathlib import Path
from typing import Any

import click

from bloodcell.command import Shown, command, pairs
from bloodcell.paths import check_run
from bloodcell.run_argument import PathArgument, RunArgument

_PATH = PathArgument()


@click.command()
@click.argument("run", type=RunArgument())
@click.option("--to", required=True, type=click.Choice(["fhir", "hl7", "csv", "xlsx"]))
@click.option("--out", type=_PATH, help="File or folder to make  [default: below RUN/export]")
@click.option("--loinc", type=_PATH, metavar="TOML", help="Map of codes in place of the shipped.")
@command
def export(run: Path, **options: Any) -> Shown:
    """Write the results of all patients for other programs. Research use only."""
    check_run(run)
    from bloodcell.export import export as run_export
    from bloodcell.run import open_run

    return pairs({"export": run_export(open_run(run), **options)})
