"""`bloodcell verify`: whether a run is whole and unchanged."""

from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import click

from bloodcell.command import Shown, command, progress_of
from bloodcell.paths import check_run
from bloodcell.run_argument import RunArgument

_NOT_GOOD = "is not whole, was changed, or is of another version"


@click.command()
@click.argument("run", type=RunArgument())
@click.option("--images", is_flag=True, help="Hold every image against its digest, too.")
@command
def verify(run: Path, images: bool) -> Shown:
    """Hold a run's files against each other: manifest, cells, counts, patients, audit log."""
    check_run(run)
    from bloodcell.printed.values import print_pairs
    from bloodcell.verification import verify as run_verification

    with progress_of("reading images", unit="cells") if images else nullcontext() as progress:
        findings = run_verification(run, progress)
    bad = [finding.what for finding in findings if not finding.good]
    return Shown(
        [asdict(finding) for finding in findings],
        lambda: print_pairs(
            {one.what: one.says if one.good else f"NOT GOOD: {one.says}" for one in findings}
        ),
        warnings=[f"{run} {_NOT_GOOD}: {', '.join(bad)}"] if bad else [],
        exit_status=bool(bad),
    )
