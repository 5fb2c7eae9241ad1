"""Labelled cells as histograms of each patient's blast log-odds."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bloodcell.errors import InputError

Floats = npt.NDArray[np.float64]

SHAPE_EDGES = np.linspace(-14, 14, 57)
"""Edges of a shape's bins in log-odds; the middle 32 bins pair up those of the accumulator."""

SHAPE_BINS = len(SHAPE_EDGES) - 1

_PROBABILITY_ONE = 65536


def log_odds_of(probability: Floats) -> Floats:
    """Log-odds of probabilities as the accumulator takes them: multiples of 2^-16.

    0 and 1 are taken a quarter of a step inside.
    """
    steps = np.rint(probability * _PROBABILITY_ONE).clip(0.25, _PROBABILITY_ONE - 0.25)
    log_odds: Floats = np.log(steps / (_PROBABILITY_ONE - steps))
    return log_odds


def by_shape_bin(
    log_odds: Floats, patient: npt.NDArray[np.intp], patients: int, weight: Floats
) -> Floats:
    """Cells by patient and bin of a shape, (P, 56); ``patient`` indexes the rows."""
    place = np.clip(np.digitize(log_odds, SHAPE_EDGES) - 1, 0, SHAPE_BINS - 1)
    bins = patients * SHAPE_BINS
    cells: Floats = np.bincount(patient * SHAPE_BINS + place, weight, bins).astype(np.float64)
    return cells.reshape(patients, SHAPE_BINS)


def bin_of(log_odds: Floats) -> npt.NDArray[np.intp]:
    """Bin of the accumulator's histogram, 0 to 63, of each log-odds."""
    place: npt.NDArray[np.intp] = np.clip(np.floor(4 * log_odds) + 32, 0, 63).astype(np.intp)
    return place


def accumulated(
    log_odds: Floats, patient: npt.NDArray[np.intp], patients: int, weight: Floats | None = None
) -> npt.NDArray[np.int64]:
    """Cells by patient and bin of the accumulator's histogram, (P, 64); see _core.pyi."""
    place = bin_of(log_odds)
    counts = np.bincount(patient * 64 + place, weight, patients * 64).reshape(patients, 64)
    return np.rint(counts).astype(np.int64)


@dataclass(frozen=True)
class LabelledHistograms:
    """Of P patients with a cell that was called a leukocyte, in the order of their names."""

    patient: npt.NDArray[np.str_]
    """Their names, (P,)."""
    blasts: Floats
    """On the bins of shapes, (P, 56)."""
    others: Floats
    """Of all other leukocytes, likewise."""
    counts: npt.NDArray[np.int64]
    """Both together on the accumulator's bins, (P, 64)."""
    seen_counts: npt.NDArray[np.int64]
    """The same without weights: the cells that were labelled."""
    blast_counts: npt.NDArray[np.int64]
    """Blasts among these."""

    @property
    def labelled(self) -> Floats:
        """Cells of both kinds, (P,)."""
        labelled: Floats = self.blasts.sum(axis=1) + self.others.sum(axis=1)
        return labelled

    @staticmethod
    def of(
        blast_probability: Floats,
        is_blast: npt.NDArray[np.bool_],
        called_leukocyte: npt.NDArray[np.bool_],
        patients: npt.NDArray[np.str_],
        weight: Floats | None = None,
    ) -> "LabelledHistograms":
        """Count cells, arguments as of ``fit_error_model``; InputError for odd probabilities.

        Weighted, a patient's cells of either kind count as many as they are worth in all (Kish
        1965, Survey Sampling, 11.7: the square of the weights' sum over the sum of squares), and
        ``counts`` are the cells that they stand for.
        """
        probability = np.asarray(blast_probability, np.float64)
        if not ((probability >= 0) & (probability <= 1)).all():
            raise InputError("a blast probability for the error model lies outside 0 to 1")
        used = np.asarray(called_leukocyte, np.bool_)
        blast = np.asarray(is_blast, np.bool_)[used]
        log_odds = log_odds_of(probability[used])
        names, patient = np.unique(np.asarray(patients)[used], return_inverse=True)
        stands_for = np.ones(len(log_odds)) if weight is None else weight[used]
        squares = np.bincount(patient, stands_for**2)
        worth = stands_for * (np.bincount(patient, stands_for) / squares)[patient]
        return LabelledHistograms(
            names,
            by_shape_bin(log_odds[blast], patient[blast], len(names), worth[blast]),
            by_shape_bin(log_odds[~blast], patient[~blast], len(names), worth[~blast]),
            accumulated(log_odds, patient, len(names), stands_for),
            accumulated(log_odds, patient, len(names)),
            accumulated(log_odds[blast], patient[blast], len(names)),
        )

    @property
    def share(self) -> Floats:
        """True share of blasts, (P,)."""
        share: Floats = self.blasts.sum(axis=1) / self.labelled
        return share
