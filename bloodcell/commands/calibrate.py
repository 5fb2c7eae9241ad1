"""`bloodcell calibrate`."""

from pathlib import Path

import click

from bloodcell.command import Shown, command, pairs
from bloodcell.paths import check_labels, check_run

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=_PATH)
@click.option("--labels", type=_PATH, help="CSV with path and class, of one run.")
@click.option("--from-reviews", is_flag=True, help="Take the signed reviews of the runs instead.")
@click.option("--out", required=True, type=_PATH, help="Model folder to make.")
@command
def calibrate(runs: tuple[Path, ...], labels: Path | None, from_reviews: bool, out: Path) -> Shown:
    """Copy the runs' model with an error model of their labelled patients."""
    if from_reviews == (labels is not None):
        raise click.UsageError("Give either --labels or --from-reviews.")
    if labels and len(runs) > 1:
        raise click.UsageError("--labels are of one run.")
    for run in runs:
        check_run(run)
    if labels:
        check_labels(labels)
    from bloodcell.run import open_run
    from bloodcell.site_model import write_site_model, write_site_model_of_reviews

    if labels:
        error_model = write_site_model(open_run(runs[0]), labels, out)
    else:
        error_model = write_site_model_of_reviews([open_run(run) for run in runs], out)
    return pairs(
        {
            "patients": error_model.patients,
            "cells": error_model.cells,
            "blasts": error_model.blasts,
            "model folder": out,
        }
    )
