"""Blast shares by the textbook estimators of label shift: the peers of the adjusted share.

They take the network to err on every patient alike.
"""

import numpy as np


def adjusted_count(counts: np.ndarray, blast: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Share of cells above log-odds 0, (P,), corrected for how often either kind is.

    Rogan & Gladen 1978, Am J Epidemiol 107:71; Forman 2008. ``counts`` int (P, 64), no row empty;
    ``blast`` and ``other`` (64,): each bin's chance for the two kinds.
    """
    return _corrected(counts, blast, other, np.arange(64) >= 32)


def adjusted_probability(counts: np.ndarray, blast: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The same with each cell's probability for its count (Bella et al. 2010, ICDM)."""
    return _corrected(counts, blast, other, blast / (blast + other))


def likeliest_share(counts: np.ndarray, blast: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Maximum likelihood under prior shift; arguments as of ``adjusted_count``.

    Saerens et al. 2002, Neural Computation 14:21. The likelihood has one top, which bisection finds
    where their expectation-maximisation would take thousands of rounds.
    """
    low, high = np.zeros((len(counts), 1)), np.ones((len(counts), 1))
    for _ in range(50):
        share = (low + high) / 2
        slopes = counts * (blast - other) / (share * blast + (1 - share) * other)
        rises = slopes.sum(axis=1, keepdims=True) > 0
        low, high = np.where(rises, share, low), np.where(rises, high, share)
    return (low + high)[:, 0] / 2


def _corrected(
    counts: np.ndarray, blast: np.ndarray, other: np.ndarray, value: np.ndarray
) -> np.ndarray:
    """What ``value`` (64,) comes to, between what others and what blasts alone would give."""
    seen = counts @ value / counts.sum(axis=1)
    return np.clip((seen - other @ value) / (blast @ value - other @ value), 0, 1)
