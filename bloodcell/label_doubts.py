"""Confident learning: which labels a classifier contradicts that never learnt from them.

Northcutt, Jiang and Chuang 2021 (arXiv 1911.00068): how sure a classifier is of a class differs
from class to class, so each probability is held against the mean over the cells so labelled.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_LEAST_THRESHOLD = 1e-6


class LabelDoubts(NamedTuple):
    """Of n labelled cells."""

    doubt: Floats
    """(n,): 0 where no class is likelier than the label, each by its threshold; 1 where the label
    is out of the question."""
    is_doubted: npt.NDArray[np.bool_]
    """(n,): the most probable of the classes that reach their thresholds is not the label."""


def label_doubts(
    probabilities: npt.NDArray[np.floating], is_label: npt.NDArray[np.bool_]
) -> LabelDoubts:
    """Hold labels against ``probabilities`` (n, C); ``is_label`` bool (n, C), of each cell's label.

    A class's threshold is its mean probability over the cells so labelled; a class that is no
    cell's label cannot be reached.
    """
    p = np.asarray(probabilities, np.float64)
    counts = is_label.sum(axis=0)
    sums = np.where(is_label, p, 0).sum(axis=0)
    thresholds = np.maximum(sums / np.maximum(counts, 1), _LEAST_THRESHOLD)
    thresholds[counts == 0] = np.inf
    relative = p / thresholds
    of_label = np.where(is_label, relative, 0).max(axis=1)
    likeliest = np.maximum(relative.max(axis=1), _LEAST_THRESHOLD)
    confident = np.where(p >= thresholds, p, 0)
    label_confident = np.where(is_label, confident, 0).max(axis=1)
    return LabelDoubts(1 - of_label / likeliest, confident.max(axis=1) > label_confident)
