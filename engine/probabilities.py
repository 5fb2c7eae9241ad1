"""Logits to calibrated, quantised class probabilities."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

PROBABILITY_STEP = 2.0**-16
"""Probabilities are whole multiples of this, so that all statistics are integer arithmetic."""
LEAST_SHARED = 1e-300
"""Instead of 0 as a divisor, where classes that share a probability have none."""


def calibrated_probabilities(
    logits: npt.NDArray[np.float32], temperature: float, prior_ratios: Sequence[float] = ()
) -> npt.NDArray[np.float32]:
    """Softmax of ``logits / temperature`` (Guo et al. 2017, arXiv 1706.04599), quantised.

    ``logits`` float32 (N, C). ``prior_ratios``, (C,) or empty: classes of 0 keep their
    probability; what these leave the others share in proportion to probability times ratio, as
    under other priors (Saerens et al. 2002, doi 10.1162/089976602753284446). Returns float32
    (N, C), multiples of ``PROBABILITY_STEP``; a row sums to 1 within C / 2 steps. Each row
    depends on itself alone; one whose logits are not all finite is NaN in every class.
    """
    numbers = np.isfinite(logits).all(axis=1, keepdims=True)
    scaled = np.where(numbers, logits.astype(np.float64), np.nan) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    np.exp(scaled, out=scaled)
    scaled /= scaled.sum(axis=1, keepdims=True)
    if len(prior_ratios):
        scaled *= _factors(scaled, np.asarray(prior_ratios, np.float64))
    quantised: npt.NDArray[np.float32] = np.rint(scaled / PROBABILITY_STEP).astype(np.float32)
    return quantised * np.float32(PROBABILITY_STEP)


def _factors(
    probabilities: npt.NDArray[np.float64], ratios: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """What to multiply them with, (N, C)."""
    shares = (ratios > 0).astype(np.float64)
    # Products with all classes, not sums over some: the order of adding must not depend on N.
    left = (probabilities * shares).sum(axis=1, keepdims=True)
    weighted = (probabilities * ratios).sum(axis=1, keepdims=True)
    factors: npt.NDArray[np.float64] = (
        1 - shares + ratios * (left / np.maximum(weighted, LEAST_SHARED))
    )
    return factors
