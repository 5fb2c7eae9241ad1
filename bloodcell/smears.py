"""The table ``[smears]`` of a model card: how the images look that a network learnt from."""

from typing import Any

import numpy as np
import numpy.typing as npt

from bloodcell.engine.staining import LOOKS, WHITENING, Looks, Smears
from bloodcell.errors import ModelError
from bloodcell.toml import is_number

_MARGIN = 1.1
"""Of the limit over the largest distance of a patient who was held out."""

FEWEST_PATIENTS = 10
"""The next patient is farther than all N before with a chance of 1 in N + 1, before the margin."""

_ADDED = 0.01
"""Part of each variance that is added to it: no look may count without bound."""

_LENGTHS = {"means": LOOKS, "whitening": WHITENING}
_TEXTS = ("rests_on", "made_by")


def smears_from_card(table: Any) -> Smears:
    """Read ``[smears]``; ModelError naming the entry, and what was expected, if wrong."""
    expected = {*_LENGTHS, "limit", "patients", "cells", "largest_held_out", *_TEXTS}
    if not isinstance(table, dict) or table.keys() != expected:
        odd = sorted(expected ^ set(table)) if isinstance(table, dict) else table
        raise ModelError(
            f"[smears] has other entries than expected: {odd}. Fit it anew (python -m "
            "bloodcell.training.refit_smears FOLDER IMAGES LABELS) or take the table out"
        )
    for name, count in _LENGTHS.items():
        numbers = table[name]
        if (
            not isinstance(numbers, list)
            or len(numbers) != count
            or not all(map(is_number, numbers))
        ):
            raise ModelError(f"smears.{name}: {count} numbers are expected")
    for name in ("limit", "patients", "cells", "largest_held_out"):
        if not is_number(table[name]) or table[name] <= 0:
            raise ModelError(f"smears.{name} is {table[name]!r}, a number above 0 is expected")
    for name in _TEXTS:
        if not isinstance(table[name], str):
            raise ModelError(f"smears.{name} is {table[name]!r}, a text is expected")
    means, whitening = (tuple(map(float, table[name])) for name in _LENGTHS)
    return Smears(means, whitening, float(table["limit"]))


def fit_smears(
    looks: Looks, patients: npt.NDArray[np.str_], *, made_by: str
) -> dict[str, Any] | None:
    """The table ``[smears]`` of N cells' ``looks_of`` and their patients, (N,).

    None of fewer than ten patients. An empty name is no patient's: such cells, say of another
    source, are left out, or smears would pass that no patient's share can be judged on.
    ``made_by``: the command, for the card.
    """
    looks, patients = looks[patients != ""], patients[patients != ""]
    names = np.unique(patients)
    if len(names) < FEWEST_PATIENTS:
        return None
    medians = held_out_medians(looks, patients)
    largest = max(medians.values())
    whole = _fitted(looks)
    return {
        "means": _rounded(whole.means),
        "whitening": _rounded(whole.whitening),
        "limit": round(_MARGIN * largest, 3),
        "patients": len(names),
        "cells": len(looks),
        "largest_held_out": round(largest, 3),
        "rests_on": "the median distance of each patient's cells, by a fit of all others'; the "
        f"limit is {_MARGIN} times the largest",
        "made_by": made_by,
    }


def held_out_medians(looks: Looks, patients: npt.NDArray[np.str_]) -> dict[str, float]:
    """Of each patient the median distance of the cells, by a fit of all other cells."""
    return {
        str(name): float(np.median(_fitted(looks[~own]).distances(looks[own])))
        for name in np.unique(patients)
        for own in (patients == name,)
    }


def _fitted(looks: Looks) -> Smears:
    covariance = np.cov(looks.T)
    covariance += np.diag(np.diag(covariance)) * _ADDED
    whitening = np.linalg.inv(np.linalg.cholesky(covariance))
    lower = whitening[np.tril_indices(LOOKS)]
    return Smears(tuple(looks.mean(axis=0).tolist()), tuple(lower.tolist()), np.inf)


def _rounded(numbers: tuple[float, ...]) -> list[float]:
    return [float(f"{number:.6g}") for number in numbers]
