"""The table of patients and the count of cells after a run."""

from collections import Counter

import click

from bloodcell.printed.numbers import blast_percent, from_to, percent
from bloodcell.printed.tables import print_table
from bloodcell.rejections import REJECTED_AS
from bloodcell.run import Run
from bloodcell.source_watch import NOT_READ
from bloodcell.unstained import lacks_stain


def print_patients(run: Run) -> None:
    """Print the table of patients and where everything is."""
    patients = run.patients.to_pylist()
    rows = [
        (
            patient["patient"],
            patient["cells"],
            patient["rejected"],
            patient["denominator"],
            patient["blasts_counted"],
            # A question mark: what its images are of is the question.
            blast_percent(patient["blast_percent_naive"])
            + (" ?" if lacks_stain(patient.get("unstained", 0), patient["scored"]) else ""),
            blast_percent(patient["blast_percent"]),
            from_to(patient["blast_percent_low"], patient["blast_percent_high"], blast_percent),
        )
        for patient in patients
    ]
    header = (
        "patient", "cells", "rejected", "denominator", "called blast", "blasts, naive %",
        "adjusted %", "95 %",
    )  # fmt: skip
    print_table(header, rows)
    reasons_not = Counter(p["adjustment"] for p in patients if p["blast_percent"] is None)
    for reason, count in sorted(reasons_not.items()):
        click.echo(f"not adjusted: {count} patient{'s' if count > 1 else ''}, {reason}")
    counts, session = run.counts, run.record.session
    reasons = ", ".join(f"{count} {REJECTED_AS[why]}" for why, count in counts.rejected.items())
    click.echo(
        f"{counts.cells} cells = {counts.scored} scored + {counts.cells - counts.scored} rejected"
        f"{f' ({reasons})' if reasons else ''}"
    )
    if run.record.unidentified is not None:
        of_scored = percent(
            100 * run.record.unidentified / counts.scored if counts.scored else None
        )
        click.echo(
            f"{run.record.unidentified} unidentified ({of_scored} % of the scored): more likely "
            "something else than what they are called"
        )
    if again := sum(counts.rejected.get(reason, 0) for reason in NOT_READ):
        click.echo(f"{again} cells were not there or unreadable: --retry-rejected reads them again")
    if session:
        click.echo(f"{session.cells_per_s} cells/s, {run.record.backend.name}")
    click.echo(f"report: {run.folder / 'report' / 'index.html'}")
    click.echo("Research use only: never a diagnosis.")
