"""What a share is of, and which of the bands that diagnoses turn on it falls into."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bloodcell.bands import BANDS, DECISION_LINES
from bloodcell.evaluation.join import Joined
from bloodcell.scheme import Scheme


def band_figures(patients: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Numbers of patients by true band (rows) and by that of the naive and the adjusted share.

    ``patients``: rows of ``share_figures``; those without a share of a kind are not counted there.
    """
    return {
        "bands": list(BANDS),
        "naive": _crossed(patients, "naive_percent"),
        "adjusted": _crossed(patients, "adjusted_percent"),
    }


def _crossed(patients: Sequence[dict[str, Any]], share: str) -> list[list[int]]:
    counts = np.zeros((len(BANDS), len(BANDS)), np.int64)
    for row in patients:
        if row["true_percent"] is not None and row[share] is not None:
            counts[_band(row["true_percent"]), _band(row[share])] += 1
    crossed: list[list[int]] = counts.tolist()
    return crossed


def _band(percent: float) -> int:
    return int(np.searchsorted(DECISION_LINES, percent, side="right"))


def denominator_figures(cells: Joined) -> dict[str, Any]:
    """The cells by labels and by calls, counted as blood counts them and as marrow does.

    Blasts in percent of the leukocytes (blood) and of all nucleated cells, erythroid ones included
    (marrow, WHO 2016); erythroid cells per 100 leukocytes. Blasts as the run's equivalents have it.
    """
    return {
        "labelled": _counted(cells.label.tolist(), cells.label_scheme),
        "called": _counted(cells.called.tolist(), cells.run_scheme),
    }


def _counted(codes: list[str], scheme: Scheme) -> dict[str, Any]:
    role = {cell_class.code: cell_class.role for cell_class in scheme.classes}
    roles = [role[code] for code in codes]
    blasts, erythroid = roles.count("blast"), roles.count("erythroid")
    leukocytes = blasts + roles.count("leukocyte")
    return {
        "blasts": blasts,
        "leukocytes": leukocytes,
        "nucleated_cells": leukocytes + erythroid,
        "blast_percent_of_leukocytes": _percent(blasts, leukocytes),
        "blast_percent_of_nucleated_cells": _percent(blasts, leukocytes + erythroid),
        "erythroid_per_100_leukocytes": _percent(erythroid, leukocytes),
    }


def _percent(part: int, whole: int) -> float | None:
    return 100.0 * part / whole if whole else None
