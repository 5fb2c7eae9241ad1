"""Patients as they would be with other shares of blasts: their cells weighted, none invented."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bloodcell._core import curve_features
from bloodcell.error_model.histograms import Floats

_SHARES = (0.01, 0.05, 0.2, 0.5, 0.8, 0.95)
_LEAST_CELLS = 5
"""Labelled blasts, and other cells, of a patient who is taken at other shares too."""

_STEPS_PER_CELL = 1000
"""Histograms are whole numbers in the core; their features depend on proportions alone."""


@dataclass(frozen=True)
class CaseMix:
    """Labelled cells of P patients, each at its own share and, if it can be, at others: V rows."""

    blasts: Floats
    """By bin of the accumulator's histogram, (V, 64)."""
    cells: Floats
    """All leukocytes, likewise."""
    features: Floats
    """``curve_features`` of all cells, (V, 3)."""
    weight: Floats
    """Of the row, (V,); a patient's weigh 1 together."""
    patient: npt.NDArray[np.intp]
    """Place of the row's patient among the P, (V,)."""

    @staticmethod
    def of(
        blasts: npt.NDArray[np.int64],
        cells: npt.NDArray[np.int64],
        all_cells: npt.NDArray[np.int64],
    ) -> "CaseMix":
        """From histograms (P, 64) as of ``fit_recalibration``."""
        rows = [_rows_of(*own) for own in zip(blasts, cells, all_cells, strict=True)]
        blasts_of, cells_of, features, weight = (
            np.concatenate(column) for column in zip(*rows, strict=True)
        )
        patient = np.repeat(np.arange(len(rows)), [len(row[-1]) for row in rows])
        return CaseMix(blasts_of, cells_of, features, weight, patient)


def _rows_of(
    blasts: npt.NDArray[np.int64], cells: npt.NDArray[np.int64], all_cells: npt.NDArray[np.int64]
) -> tuple[Floats, Floats, Floats, Floats]:
    """One patient's blasts, cells, features and weights; (R, 64) twice, (R, 3), (R,)."""
    others = cells - blasts
    all_blasts = all_cells * blasts / np.maximum(cells, 1)
    kept = np.array(_kept(all_blasts.sum() / all_cells.sum()))
    if min(blasts.sum(), others.sum()) < _LEAST_CELLS:
        kept = kept[:1]
    of_blasts, of_others = kept.T[..., None]
    weighted = of_blasts * blasts, of_others * others
    standing_for = of_blasts * all_blasts + of_others * (all_cells - all_blasts)
    whole = np.rint(_STEPS_PER_CELL * standing_for).astype(np.int64)
    features = np.array([curve_features(own) for own in whole])
    return weighted[0], weighted[0] + weighted[1], features, np.full(len(kept), 1 / len(kept))


def _kept(share: float) -> list[tuple[float, float]]:
    """Parts of the blasts and of the others that leave ``share``, and each of ``_SHARES``."""
    parts, share = [(1.0, 1.0)], min(max(share, 1e-9), 1 - 1e-9)
    for wanted in _SHARES:
        odds_ratio = wanted / (1 - wanted) * (1 - share) / share
        parts.append((min(odds_ratio, 1.0), min(1 / odds_ratio, 1.0)))
    return parts
