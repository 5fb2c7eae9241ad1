"""Figures that compare scores with labels; NumPy only."""

import numpy as np
import numpy.typing as npt


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


def expected_calibration_error(
    probabilities: npt.ArrayLike, positive: npt.ArrayLike, bins: int = 15
) -> float:
    """Mean distance between probability and frequency over equal bins, weighted by size.

    ``probabilities`` float (N,), ``positive`` bool (N,). Naeini et al. 2015 (AAAI 29).
    """
    probability = np.asarray(probabilities, np.float64)
    is_positive = np.asarray(positive, np.float64)
    place = np.minimum((probability * bins).astype(np.int64), bins - 1)
    distance = np.bincount(place, probability - is_positive, minlength=bins)
    return float(np.abs(distance).sum() / max(len(probability), 1))
