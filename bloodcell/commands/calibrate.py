"""`bloodcell calibrate`."""

from pathlib import Path

import click

from bloodcell.command import Shown, command
from bloodcell.commands.label_options import label_map_options
from bloodcell.paths import check_labels, check_run
from bloodcell.run_argument import PathArgument, RunArgument

_PATH = PathArgument()


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=RunArgument())
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
    from bloodcell.labels import read_label_map, why_unused
    from bloodcell.printed.calibration import print_site_model
    from bloodcell.run import open_run
    from bloodcell.site_model import write_site_model, write_site_model_of_reviews

    opened = [open_run(run) for run in runs]
    if labels:
        meant = read_label_map(label_map, ignore_class)
        unused = why_unused(labels, meant) if meant else []
        made = write_site_model(opened[0], labels, out, meant)
    else:
        unused, made = [], write_site_model_of_reviews(opened, out)
    error_model, trial, smears = made.error_model, made.trial, made.smears
    totals = {
        "patients": error_model.patients,
        "cells": error_model.cells,
        "blasts": error_model.blasts,
        "weight of these patients": round(made.weight, 2),
        "model folder": str(out),
    }
    if smears.table:
        totals["smears fitted anew, strange before"] = smears.strange
    rows, figures = trial.rows(), trial.figures()
    counts = {"labelled_cells": made.cells} if made.cells else {}
    return Shown(
        {**totals, **counts, "held_out": {**figures, "patients": rows}},
        lambda: print_site_model(totals, made.cells, figures, rows),
        warnings=[*unused, *made.doubts],
    )
