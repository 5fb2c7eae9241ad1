"""What is planned for a review, and what has come of answers."""

from pathlib import Path

import click
import pyarrow as pa

from bloodcell.printed.numbers import blast_percent, from_to, share
from bloodcell.printed.tables import print_table
from bloodcell.review.apply import Applied
from bloodcell.review.folder import ReviewFolder
from bloodcell.scheme import CANNOT_TELL
from bloodcell.terminal import printable

_MOST_NAMES = 5
"""Of patients, in a line."""
_ESTIMATED_BY = {
    "model": "network and cells seen",
    "sample": "cells seen alone",
    None: "network alone",
}


def print_plan(plan: pa.Table, path: Path) -> None:
    """Print how many cells of each patient and batch are planned."""
    counts = plan.group_by(["patient", "batch"], use_threads=False).aggregate([("row", "count")])
    print_table(("patient", "batch", "cells"), list(zip(*counts.to_pydict().values(), strict=True)))
    click.echo(f"plan: {path}")


def print_applied(applied: Applied) -> None:
    """Print what has come of answers: shares of their patients, agreement, what is open."""
    header = ("patient", "status", "cells looked at", "blasts %", "95 %", "estimated by")
    rows = [
        (
            row["patient"],
            row["status"],
            row["cells_looked_at"],
            blast_percent(row["blast_percent"]),
            from_to(row["blast_percent_low"], row["blast_percent_high"], blast_percent),
            _ESTIMATED_BY[row["basis"]],
        )
        for row in applied.patients
    ]
    print_table(header, rows)
    class_names = {one.code: one.name for one in applied.run.scheme.classes}
    class_names[CANNOT_TELL] = "cannot tell"
    for two in applied.agreement:
        kappas = two["kappa_by_class"].items()
        by_class = ", ".join(f"{class_names[code]} {share(kappa, 2)}" for code, kappa in kappas)
        click.echo(
            f"{' and '.join(map(printable, two['reviewers']))}: {two['agreed']} of {two['cells']} "
            f"cells alike, kappa {share(two['kappa'], 2)} ({by_class})"
        )
    if applied.disputed:
        path = ReviewFolder(applied.run.folder).disagreements_path
        click.echo(f"{len(applied.disputed)} cells need a further reading: {path}")
    for name, cells in applied.not_told.items():
        click.echo(
            f"{printable(name)}: cells that readers cannot tell, counted as the network called "
            f"them and as not looked at: {cells}"
        )
    if applied.waiting:
        names = ", ".join(map(printable, list(applied.waiting)[:_MOST_NAMES]))
        more = ", ..." if len(applied.waiting) > _MOST_NAMES else ""
        click.echo(
            f"{sum(applied.waiting.values())} cells wait to be looked at, patients: "
            f"{len(applied.waiting)} ({names}{more}): open the report again"
        )
    click.echo("Research use only: never a diagnosis.")
