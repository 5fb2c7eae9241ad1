"""Logits to calibrated, quantised class probabilities."""

import numpy as np
import numpy.typing as npt

PROBABILITY_STEP = 2.0**-16
"""Probabilities are whole multiples of this, so that all statistics are integer arithmetic."""


def calibrated_probabilities(
    logits: npt.NDArray[np.float32], temperature: float
) -> npt.NDArray[np.float32]:
    """Softmax of ``logits / temperature`` (Guo et al. 2017, arXiv 1706.04599), quantised.

    ``logits`` float32 (N, C). Returns float32 (N, C), multiples of ``PROBABILITY_STEP``; a row
    sums to 1 within C / 2 steps. Each row depends on itself alone; one whose logits are not all
    finite is NaN in every class.
    """
    numbers = np.isfinite(logits).all(axis=1, keepdims=True)
    scaled = np.where(numbers, logits.astype(np.float64), np.nan) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    np.exp(scaled, out=scaled)
    scaled /= scaled.sum(axis=1, keepdims=True)
    quantised: npt.NDArray[np.float32] = np.rint(scaled / PROBABILITY_STEP).astype(np.float32)
    return quantised * np.float32(PROBABILITY_STEP)
