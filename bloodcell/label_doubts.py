"""Confident learning: which labels a classifier contradicts that never learnt from them.

Northcutt, Jiang and Chuang 2021 (arXiv 1911.00068): how sure a classifier is of a class differs
from class to class, so each probability is held against the mean over the cells so labelled.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class LabelDoubts(NamedTuple):
    """Of n labelled cells."""

    doubt: Floats
    """(n,): 0 where the label is the most probable class, or as probable as is usual for cells so
    labelled; else by how far it falls short of the smaller of the two, as a share of it."""
    is_doubted: npt.NDArray[np.bool_]
    """(n,): the label is not the most probable class, nor the most probable of those that are as
    probable as is usual for them."""


def label_doubts(
    probabilities: npt.NDArray[np.floating], is_label: npt.NDArray[np.bool_]
) -> LabelDoubts:
    """Hold labels against ``probabilities`` (n, C); ``is_label`` bool (n, C), of each cell's label.

    What is usual for a class, its threshold, is its mean probability over the cells so labelled;
    a class that is no cell's label is never as probable as that.
    """
    p = np.asarray(probabilities, np.float64)
    counts = is_label.sum(axis=0)
    sums = np.where(is_label, p, 0).sum(axis=0)
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    of_label = np.where(is_label, p, 0).max(axis=1)
    usual = np.where(is_label, thresholds, np.inf).min(axis=1)
    most = p.max(axis=1)
    smaller = np.minimum(usual, most)
    # 0 where no cell of the label's class has any probability of it.
    part = np.divide(of_label, smaller, out=np.zeros_like(smaller), where=smaller > 0)
    doubt = 1 - np.minimum(1, part)
    confident = np.where(p >= thresholds, p, 0)
    label_confident = np.where(is_label, confident, 0).max(axis=1)
    is_doubted = (of_label < most) & (confident.max(axis=1) > label_confident)
    return LabelDoubts(doubt, is_doubted)
