"""`bloodcell review`: which cells to look at, and what the answers make of a run."""

from pathlib import Path

import click

from bloodcell.command import Shown, command, pairs
from bloodcell.paths import check_answers, check_run
from bloodcell.review import CELLS_OF_A_ROUND, PORT
from bloodcell.run_argument import PathArgument, RunArgument

_PATH = PathArgument()


@click.group()
def review() -> None:
    """Look at the few cells that settle a share, correct them and sign."""


@review.command()
@click.argument("run", type=RunArgument(holds=True))
@click.option(
    "--cells", type=click.IntRange(min=1), default=CELLS_OF_A_ROUND, show_default=True,
    help="Most cells a patient in the next round.",
)  # fmt: skip
@click.option("--patient", metavar="NAME", help="Plan for this patient only.")
@command
def plan(run: Path, cells: int, patient: str | None) -> Shown:
    """Choose the cells of RUN to look at next. Writes RUN/review/plan.parquet."""
    check_run(run)
    from bloodcell.printed.reviews import print_plan
    from bloodcell.review.plan import plan_review
    from bloodcell.review.planned import write_plan
    from bloodcell.run import open_run
    from bloodcell.store import RunStore

    opened = open_run(run)
    # Answers that are applied at the same time plan cells too.
    with RunStore(opened.folder).locked():
        planned = plan_review(opened, cells, None if patient is None else [patient])
        path = write_plan(opened, planned)
    return Shown(planned.to_pylist(), lambda: print_plan(planned, path))


@review.command()
@click.argument("run", type=RunArgument(holds=True))
@click.argument("answers", type=_PATH)
@click.option("--reviewer", required=True, metavar="NAME", help="Whose answers they are.")
@command
def apply(run: Path, answers: Path, reviewer: str) -> Shown:
    """Recompute the shares of RUN from ANSWERS, a file saved from its report, and sign them."""
    check_run(run)
    check_answers(answers)
    from bloodcell.printed.reviews import print_applied
    from bloodcell.review.answers import read_answers
    from bloodcell.run import open_run
    from bloodcell.serving import apply_and_show

    read = read_answers(answers)
    applied, why_not = apply_and_show(open_run(run), read, reviewer, str(answers))
    return Shown(
        applied.entries() | {"report": why_not},
        lambda: print_applied(applied),
        warnings=[why_not] if why_not else (),
        exit_status=1 if why_not else 0,
    )


@review.command()
@click.argument("run", type=RunArgument(holds=True))
@click.option(
    "--port", type=click.IntRange(0, 65535), default=PORT, show_default=True,
    help="Port of this machine's own address; 0: any that is free.",
)  # fmt: skip
@command
def serve(run: Path, port: int) -> Shown:
    """Show the report of RUN at an address of this machine; what is saved there is applied."""
    check_run(run)
    from bloodcell.serving import serve_review
    from bloodcell.terminal import stop_on_signals, stop_requested

    with stop_on_signals():
        times = serve_review(run, port, stop_requested, lambda line: click.echo(line, err=True))
    return pairs({"answers applied": times})
