"""Figures by class: the Matek tables, the confusion matrix, what unidentified cells are worth."""

from typing import Any

import numpy as np
import numpy.typing as npt

from bloodcell.evaluation.join import Joined
from bloodcell.unidentified import LEAST_TOP_PROBABILITY


def class_figures(cells: Joined) -> dict[str, Any]:
    """Precision, sensitivity and n of each class, accuracy, and the confusion matrix.

    One row a class that occurs among labels or calls, as in the tables of Matek et al. 2019
    (Nature Machine Intelligence 1, 538). Balanced accuracy is the mean sensitivity over the
    classes that occur among the labels. Labels of another scheme cannot be compared class by class:
    then there are no rows and no accuracies, and the matrix alone shows what was called what.
    """
    rows: list[dict[str, Any]] = []
    if cells.label_scheme == cells.run_scheme:
        rows = [_row(cells, code) for code in cells.label_scheme.codes]
        rows = [row for row in rows if row["n"] or row["precision"] is not None]
    sensitivities = [row["sensitivity"] for row in rows if row["n"]]
    return {
        "classes": rows,
        "accuracy": float((cells.label == cells.called).mean()) if sensitivities else None,
        "balanced_accuracy": float(np.mean(sensitivities)) if sensitivities else None,
        "confusion": _confusion(cells, [row["class"] for row in rows]),
    }


def unidentified_figures(cells: Joined) -> dict[str, Any]:
    """How many cells are unidentified, and how many are called as labelled of them and the others.

    Both parts are 0 to 1, and None without such cells or if the labels are of another scheme.
    """
    unidentified = cells.top_probability < LEAST_TOP_PROBABILITY
    right = cells.label == cells.called

    def called_as_labelled(own: npt.NDArray[np.bool_]) -> float | None:
        is_known = cells.label_scheme == cells.run_scheme and own.any()
        return float(right[own].mean()) if is_known else None

    return {
        "cells": int(unidentified.sum()),
        "percent": 100 * float(unidentified.mean()) if len(unidentified) else None,
        "called_as_labelled": called_as_labelled(unidentified),
        "others_called_as_labelled": called_as_labelled(~unidentified),
    }


def _row(cells: Joined, code: str) -> dict[str, Any]:
    is_label, is_called = cells.label == code, cells.called == code
    n, calls, hits = int(is_label.sum()), int(is_called.sum()), int((is_label & is_called).sum())
    return {
        "class": code,
        "precision": hits / calls if calls else None,
        "sensitivity": hits / n if n else None,
        "n": n,
    }


def _confusion(cells: Joined, common: list[str]) -> dict[str, Any]:
    """Numbers of cells, a row a labelled class, a column a called one; both ``common`` if any."""
    labels = common or [code for code in cells.label_scheme.codes if code in cells.label]
    calls = common or [code for code in cells.run_scheme.codes if code in cells.called]
    counts = [
        [int(((cells.label == label) & (cells.called == call)).sum()) for call in calls]
        for label in labels
    ]
    return {"labels": labels, "called": calls, "counts": counts}
