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
