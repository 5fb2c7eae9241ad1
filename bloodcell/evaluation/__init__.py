"""A run against labels: by class, blast against rest, by patient; and pictures of it.

Labels and run are joined once (join), figures come from what was joined (classes, blast, shares,
bands, and in the form of a paper's tables, paper), pictures from the figures alone (pictures).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bloodcell.engine.names import text_of
from bloodcell.evaluation.bands import band_figures, denominator_figures
from bloodcell.evaluation.blast import blast_figures
from bloodcell.evaluation.classes import class_figures, unidentified_figures
from bloodcell.evaluation.join import AS_THEY_ARE, join
from bloodcell.evaluation.paper import paper_figures
from bloodcell.evaluation.shares import share_figures
from bloodcell.files import write_json, writing
from bloodcell.published import Paper
from bloodcell.run import Run

__all__ = ["evaluate", "write_evaluation"]


def evaluate(
    run: Run,
    labels_csv: Path,
    label_map: Mapping[str, str] = AS_THEY_ARE,
    paper: Paper | None = None,
) -> dict[str, Any]:
    """Compare ``run`` with ``labels_csv`` (columns ``path`` as in the run, ``class``).

    ``label_map``: see ``bloodcell.labels.read_label_map``. ``paper``: whose tables to make, too.

    Labels may be of another scheme than the model's; then classes cannot be compared one by one,
    the other figures are given all the same. The result is what docs/run-folder.md says of
    ``evaluation.json``. Raises InputError naming file and fault.
    """
    cells = join(run, labels_csv, label_map)
    shares = share_figures(run.patients, cells)
    figures = {
        "labels": text_of(labels_csv),
        "label_scheme": cells.label_scheme.name,
        "run_scheme": cells.run_scheme.name,
        "model": run.record.job.model,
        "model_sha256": run.record.job.model_sha256,
        "cells": cells.cells,
        **class_figures(cells),
        "unidentified": unidentified_figures(cells),
        "blast": blast_figures(cells),
        "profile": run.record.job.profile,
        "denominators": denominator_figures(cells),
        **shares,
        "bands": band_figures(shares["patients"]),
    }
    return figures | ({"paper": paper_figures(run, cells, paper)} if paper else {})


def write_evaluation(run: Run, figures: dict[str, Any]) -> Path:
    """Write the figures of ``evaluate``, and their pictures, to ``evaluation/`` of ``run``.

    Returns that folder. A picture of an earlier evaluation that cannot be drawn now is removed.
    Raises DiskError if the folder cannot be written.
    """
    from bloodcell.evaluation.pictures import PICTURES
    from bloodcell.plots import save_svg

    folder = run.folder / "evaluation"
    with writing(folder):
        folder.mkdir(exist_ok=True)
        for name, draw in PICTURES.items():
            picture = draw(figures)
            if picture is None:
                (folder / name).unlink(missing_ok=True)
            else:
                save_svg(picture, folder / name)
    write_json(folder / "evaluation.json", figures)
    return folder
