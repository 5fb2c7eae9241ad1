"""Intervals for which the patient, not the cell, is what was sampled.

Cells of one patient resemble each other, so an interval over cells would be far too narrow:
patients are drawn with replacement, each with all its cells (cluster bootstrap: Davison and Hinkley
1997, section 3.8), and the interval reaches from the 2.5th to the 97.5th percentile of the figure.
Every draw is computed from sums by patient, all draws at once.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from bloodcell.metrics import CALIBRATION_BINS, calibration_bin

DRAWS = 2000
SEED = 1

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A 95 % interval; nulls where it cannot be given."""

    low: float | None
    high: float | None
    draws: int
    """How many draws it rests on."""


@dataclass(frozen=True)
class PatientCells:
    """N cells of P patients; all arrays (N,)."""

    patient: npt.NDArray[np.intp]
    """0 to P - 1."""
    probability: Floats
    positive: npt.NDArray[np.bool_]
    patients: int


def draw_patients(patients: int) -> Floats:
    """How often each patient is drawn: whole numbers (DRAWS, P), each row with the sum P.

    No rows for fewer than two patients: one says nothing of how patients differ.
    """
    if patients < 2:
        return np.zeros((0, patients))
    generator = np.random.default_rng(SEED)
    drawn = generator.multinomial(patients, np.full(patients, 1 / patients), DRAWS)
    return drawn.astype(np.float64)


def drawn_aurocs(cells: PatientCells, times: Floats) -> Floats:
    """The AUROC of each of ``times`` (draws, P); draws of one kind of cell are left out."""
    blasts = np.bincount(cells.patient[cells.positive], minlength=cells.patients)
    others = np.bincount(cells.patient[~cells.positive], minlength=cells.patients)
    pairs = (times @ blasts) * (times @ others)
    in_order = ((times @ _pairs_in_order(cells)) * times).sum(axis=1)
    drawn: Floats = in_order[pairs > 0] / pairs[pairs > 0]
    return drawn


def auroc_interval(cells: PatientCells, times: Floats) -> Interval:
    """Interval of the AUROC over ``times`` (draws, P), see ``drawn_aurocs``."""
    return interval_of(drawn_aurocs(cells, times))


def calibration_interval(cells: PatientCells, times: Floats) -> Interval:
    """Interval of the expected calibration error over ``times`` (draws, P)."""
    place = cells.patient * CALIBRATION_BINS + calibration_bin(cells.probability)
    size = cells.patients * CALIBRATION_BINS
    distance = np.bincount(place, cells.probability - cells.positive, minlength=size)
    distance = distance.reshape(cells.patients, CALIBRATION_BINS)
    n = np.bincount(cells.patient, minlength=cells.patients)
    return interval_of(np.abs(times @ distance).sum(axis=1) / (times @ n))


def _pairs_in_order(cells: PatientCells) -> Floats:
    """Pairs of a blast of patient i and another cell of patient j in order, ties half: (P, P).

    A draw's AUROC is the sum of these, each as often as both its patients were drawn, over the
    number of all its pairs.
    """
    blasts = cells.probability[cells.positive]
    owner = cells.patient[cells.positive]
    pairs = np.zeros((cells.patients, cells.patients))
    for patient in range(cells.patients):
        others = np.sort(cells.probability[~cells.positive & (cells.patient == patient)])
        below = np.searchsorted(others, blasts, "left") + np.searchsorted(others, blasts, "right")
        pairs[:, patient] = np.bincount(owner, below / 2, minlength=cells.patients)
    return pairs


def interval_of(figures: Floats) -> Interval:
    """From the 2.5th to the 97.5th percentile of the draws' ``figures``."""
    if not len(figures):
        return Interval(None, None, 0)
    low, high = np.percentile(figures, [2.5, 97.5])
    return Interval(float(low), float(high), len(figures))
