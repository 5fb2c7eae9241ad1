"""Whether an image has the light and the colours of a stained smear."""

import numpy as np
import numpy.typing as npt

SAMPLES_PER_SIDE = 16
"""So many pixels across and down are looked at, of those that the network gets."""

_DARKEST, _BRIGHTEST, _LEAST_RED_OVER_GREEN, _LEAST_BLUENESS_OF_DARK = 0.35, 0.93, 0.02, 0.05
"""Of 16,510 real cells from three sources the mean level was 0.379 to 0.891, and red was 0.041 or
more above green, which these stains absorb most. Dark places are bluer than bright ones, as nuclei
are than plasma and ground: with each level red rose by 0.17 or more above blue. Black, white,
negative and gray images fall out, and those with red and blue in each other's place."""


def is_stained(samples: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Say of D images, uint8 (D, SAMPLES_PER_SIDE, SAMPLES_PER_SIDE, 3), which may be of a smear.

    What a network calls the others means nothing, though it may look certain: most become
    lymphocytes. Integers: equal wherever and beside whichever others it is computed.
    """
    count = SAMPLES_PER_SIDE**2
    pixels = samples.reshape(len(samples), count, 3).astype(np.int64)
    mean = pixels.mean(axis=1) / 255
    level = mean.mean(axis=1)
    is_lit = (level >= _DARKEST) & (level <= _BRIGHTEST)
    is_green_least = mean[:, 0] - mean[:, 1] >= _LEAST_RED_OVER_GREEN
    levels, red_over_blue = pixels.sum(axis=2), pixels[:, :, 0] - pixels[:, :, 2]
    variance = _covariance(levels, levels)
    # The slope of red over blue by the mean of the three, of which `levels` is three times.
    is_dark_blue = 3 * _covariance(red_over_blue, levels) > _LEAST_BLUENESS_OF_DARK * variance
    return np.asarray(is_lit & is_green_least & is_dark_blue, np.bool_)


def _covariance(
    first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Of each row of (D, n), times n squared."""
    mean_product = first.shape[1] * (first * second).sum(axis=1)
    return np.asarray(mean_product - first.sum(axis=1) * second.sum(axis=1), np.int64)
