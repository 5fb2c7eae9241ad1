"""Figures that compare scores with labels; NumPy only."""

import numpy as np
import numpy.typing as npt

CALIBRATION_BINS = 15
"""Equal bins of probability for the calibration error and the reliability curve."""


def auroc(scores: npt.ArrayLike, positive: npt.ArrayLike) -> float:
    """Area under the ROC curve: the chance that a positive outranks a negative, ties half.

    ``scores`` float (N,), ``positive`` bool (N,). NaN unless both kinds are there.
    """
    score = np.asarray(scores, np.float64)
    is_positive = np.asarray(positive, np.bool_)
    positives = int(is_positive.sum())
    negatives = len(score) - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    _, position, count = np.unique(score, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(count) - (count - 1) / 2.0
    rank_sum = float(mean_rank[position[is_positive]].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def roc_curve(
    scores: npt.ArrayLike, positive: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """False-positive rate, sensitivity and threshold at each corner of the ROC curve.

    ``scores`` float (N,), ``positive`` bool (N,), both kinds there. Three float (K,): thresholds
    fall, a cell counts as called where its score reaches the threshold, the first is infinite.
    Points on a straight line between two others are left out.
    """
    score = np.asarray(scores, np.float64)
    is_positive = np.asarray(positive, np.bool_)
    value, position = np.unique(-score, return_inverse=True)
    hits = np.concatenate([[0], np.cumsum(np.bincount(position, is_positive))])
    alarms = np.concatenate([[0], np.cumsum(np.bincount(position, ~is_positive))])
    turn = np.diff(hits)[:-1] * np.diff(alarms)[1:] != np.diff(hits)[1:] * np.diff(alarms)[:-1]
    corner = np.concatenate([[True], turn, [True]])
    threshold = np.concatenate([[np.inf], -value])
    return alarms[corner] / alarms[-1], hits[corner] / hits[-1], threshold[corner]


def calibration_bin(probabilities: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Which of CALIBRATION_BINS equal bins each probability (N,) is in: int64 (N,)."""
    probability = np.asarray(probabilities, np.float64)
    return np.minimum((probability * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)


def expected_calibration_error(probabilities: npt.ArrayLike, positive: npt.ArrayLike) -> float:
    """Mean distance between probability and frequency over equal bins, weighted by size.

    ``probabilities`` float (N,), ``positive`` bool (N,). Naeini et al. 2015 (AAAI 29).
    """
    probability = np.asarray(probabilities, np.float64)
    is_positive = np.asarray(positive, np.float64)
    distance = np.bincount(calibration_bin(probability), probability - is_positive)
    return float(np.abs(distance).sum() / max(len(probability), 1))
