"""Peers of reviewed shares: estimators of a mean from few labels and many predictions.

Without a network's help from outside, they take its probabilities as they are. ``ppi-python`` has
the first; it needs numba and a downloader of files, so it is written here; its intervals are held
against the package's in tests/statistics.
"""

import numpy as np

Floats = np.ndarray
Z = 1.959964


def prediction_powered(
    label: Floats, prediction: Floats, all_predictions: Floats
) -> tuple[float, float, float]:
    """Share and its 95 % interval from labels drawn at random, (n,), with their predictions.

    Angelopoulos et al. 2023 (Science 382:669), with the power that lessens the variance most
    (PPI++, Angelopoulos, Duchi & Zrnic 2023, arXiv 2311.01453, example 6.1).
    """
    n, cells = len(label), len(all_predictions)
    covariance = np.cov(label, prediction)
    spread = all_predictions.var() * (1 + n / cells)
    power = np.clip(covariance[0, 1] / spread, 0, 1) if spread > 0 else 0.0
    rest = label - power * prediction
    error = np.sqrt(power**2 * all_predictions.var() / cells + rest.var(ddof=1) / n)
    return around(power * all_predictions.mean() + rest.mean(), error)


def active_chances(all_predictions: Floats, labels: int) -> Floats:
    """Chance of each cell to be asked for: its uncertainty's part, mixed with an even one.

    Zrnic & Candès 2024 (ICML, arXiv 2403.03208), with their mixture of a half.
    """
    unsure = np.minimum(all_predictions, 1 - all_predictions)
    even = labels / len(unsure)
    return np.minimum(0.5 * labels * unsure / max(unsure.sum(), 1e-12) + 0.5 * even, 1)


def active(
    label: Floats, chosen: Floats, chance: Floats, all_predictions: Floats
) -> tuple[float, float, float]:
    """Share and interval by active inference; ``label`` of the cells ``chosen`` (n,)."""
    terms = all_predictions.copy()
    terms[chosen] += (label - all_predictions[chosen]) / chance[chosen]
    return around(terms.mean(), terms.std(ddof=1) / np.sqrt(len(terms)))


def around(share: float, error: float) -> tuple[float, float, float]:
    share = float(np.clip(share, 0, 1))
    return share, max(share - Z * error, 0.0), min(share + Z * error, 1.0)
