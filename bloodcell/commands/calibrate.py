"""`bloodcell calibrate`."""

from dataclasses import replace
from pathlib import Path

import click

from bloodcell.command import Shown, command, pairs
from bloodcell.commands.label_options import label_map_options
from bloodcell.paths import check_labels, check_run

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=_PATH)
@click.option("--labels", type=_PATH, help="CSV with path and class, of one run.")
@label_map_options
@click.option("--from-reviews", is_flag=True, help="Take the signed reviews of the runs instead.")
@click.option("--out", required=True, type=_PATH, help="Model folder to make.")
@command
def calibrate(
    *,
    runs: tuple[Path, ...],
    labels: Path | None,
    label_map: Path | None,
    ignore_class: tuple[str, ...],
    from_reviews: bool,
    out: Path,
) -> Shown:
    """Copy the runs' model with an error model of their labelled patients."""
    if from_reviews == (labels is not None):
        raise click.UsageError("Give either --labels or --from-reviews.")
    if labels and len(runs) > 1:
        raise click.UsageError("--labels are of one run.")
    for run in runs:
        check_run(run)
    if labels:
        check_labels(labels)
    from bloodcell.labels import read_label_map
    from bloodcell.run import open_run
    from bloodcell.site_model import (
        SITE_PATIENTS,
        weight_in,
        write_site_model,
        write_site_model_of_reviews,
    )  # fmt: skip

    opened = [open_run(run) for run in runs]
    if labels:
        meant = read_label_map(label_map, ignore_class)
        error_model = write_site_model(opened[0], labels, out, meant)
    else:
        error_model = write_site_model_of_reviews(opened, out)
    shown = pairs(
        {
            "patients": error_model.patients,
            "cells": error_model.cells,
            "blasts": error_model.blasts,
            "weight of these patients": round(weight_in(opened[0], error_model), 2),
            "model folder": out,
        }
    )
    lacking = SITE_PATIENTS - error_model.patients
    if lacking <= 0:
        return shown
    warning = (
        f"with {error_model.patients} patients of this site intervals may hold the true share "
        f"less often than 95 times in 100: label {lacking} more patients"
    )
    return replace(shown, warnings=[warning])
