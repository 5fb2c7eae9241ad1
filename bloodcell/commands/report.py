"""`bloodcell report`: the pages of a run, anew."""

from pathlib import Path

import click

from bloodcell.command import Shown, command, pairs
from bloodcell.paths import check_run
from bloodcell.run_argument import RunArgument


@click.command()
@click.argument("run", type=RunArgument())
@command
def report(run: Path) -> Shown:
    """Write the report of a finished run anew."""
    check_run(run)
    from bloodcell.report import write_report
    from bloodcell.run import open_run

    opened = open_run(run)
    opened.refuse_if_not_whole()
    write_report(opened)
    return pairs({"report": run / "report" / "index.html"})
