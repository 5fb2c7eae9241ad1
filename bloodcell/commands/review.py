"""`bloodcell review`: plan."""

from pathlib import Path

import click

from bloodcell.command import Shown, command
from bloodcell.paths import check_run

_PATH = click.Path(path_type=Path)


@click.group()
def review() -> None:
    """Look at the few cells that settle a share."""


@review.command()
@click.argument("run", type=_PATH)
@click.option(
    "--cells", type=click.IntRange(min=1), default=20, show_default=True,
    help="Most cells a patient in the next batch.",
)  # fmt: skip
@click.option("--patient", metavar="NAME", help="Plan for this patient only.")
@command
def plan(run: Path, cells: int, patient: str | None) -> Shown:
    """Choose the cells of RUN to look at next. Writes RUN/review/plan.parquet."""
    check_run(run)
    from bloodcell.console import print_plan
    from bloodcell.review.plan import plan_review, write_plan
    from bloodcell.run import open_run

    opened = open_run(run)
    planned = plan_review(opened, cells, patient)
    path = write_plan(opened, planned)
    return Shown(planned.to_pylist(), lambda: print_plan(planned, path))
