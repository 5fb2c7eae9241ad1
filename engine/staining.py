"""Whether an image looks like a stained smear, and like those that a network learnt from."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from operator import add

import numpy as np
import numpy.typing as npt

SAMPLES_PER_SIDE = 16
"""So many pixels across and down are looked at, of those that the network gets."""

LOOKS = 15
"""How many numbers describe an image; see ``looks_of``."""

WHITENING = LOOKS * (LOOKS + 1) // 2

_DARKEST, _BRIGHTEST, _LEAST_RED_OVER_GREEN, _LEAST_BLUENESS_OF_DARK = 0.35, 0.93, 0.02, 0.05
"""Of 16,510 real cells from three sources the mean level was 0.379 to 0.891, and red was 0.041 or
more above green, which these stains absorb most. Dark places are bluer than bright ones, as nuclei
are than plasma and ground: with each level red rose by 0.17 or more above blue. Black, white,
negative and gray images fall out, and those with red and blue in each other's place."""

_PAIRS = ((0, 1), (0, 2), (1, 2))
_COUNT = SAMPLES_PER_SIDE**2
_NEIGHBOURS = SAMPLES_PER_SIDE * (SAMPLES_PER_SIDE - 1)

Looks = npt.NDArray[np.float64]
"""(D, LOOKS)."""


@dataclass(frozen=True)
class Smears:
    """How the images of the smears look that a network learnt from.

    ``means``: LOOKS numbers; ``whitening``: the rows of a lower triangle, WHITENING numbers, whose
    product with what is above the mean has the unit matrix as its covariance; ``limit``: the
    farthest that an image may be from them, in standard deviations, of each look on average.
    """

    means: tuple[float, ...]
    whitening: tuple[float, ...]
    limit: float

    def distances(self, looks: Looks) -> npt.NDArray[np.float64]:
        """The Mahalanobis distance of each image over the root of LOOKS, (D,).

        In one order, without a library's matrix product: the same bits beside whichever others.
        """
        above = (looks - np.array(self.means)).T
        squares = []
        for row in self._rows():
            along = reduce(add, (weight * one for weight, one in zip(row, above, strict=False)))
            squares.append(along * along)
        return np.asarray(np.sqrt(reduce(add, squares) / LOOKS), np.float64)

    def _rows(self) -> Iterator[tuple[float, ...]]:
        starts = (number * (number + 1) // 2 for number in range(LOOKS + 1))
        return (self.whitening[begin:end] for begin, end in pairwise(starts))


def is_stained(
    samples: npt.NDArray[np.uint8], smears: Smears | None = None
) -> npt.NDArray[np.bool_]:
    """Say of D images, uint8 (D, SAMPLES_PER_SIDE, SAMPLES_PER_SIDE, 3), which may be of a smear.

    What a network calls the others means nothing, though it may look certain: most become
    lymphocytes. With ``smears`` also those are told that look otherwise than these. Equal wherever
    and beside whichever others it is computed.
    """
    may_be = _has_light_and_colours(samples)
    if smears is None:
        return may_be
    return np.asarray(may_be & (smears.distances(looks_of(samples)) <= smears.limit), np.bool_)


def _has_light_and_colours(samples: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    pixels = samples.reshape(len(samples), _COUNT, 3).astype(np.int64)
    mean = pixels.mean(axis=1) / 255
    level = mean.mean(axis=1)
    is_lit = (level >= _DARKEST) & (level <= _BRIGHTEST)
    is_green_least = mean[:, 0] - mean[:, 1] >= _LEAST_RED_OVER_GREEN
    levels, red_over_blue = pixels.sum(axis=2), pixels[:, :, 0] - pixels[:, :, 2]
    variance = _covariance(levels, levels)
    # The slope of red over blue by the mean of the three, of which `levels` is three times.
    is_dark_blue = 3 * _covariance(red_over_blue, levels) > _LEAST_BLUENESS_OF_DARK * variance
    return np.asarray(is_lit & is_green_least & is_dark_blue, np.bool_)


def looks_of(samples: npt.NDArray[np.uint8]) -> Looks:
    """What light, colours and structure D images have, in levels of 255.

    Of red, green and blue each: the mean, the standard deviation, the mean difference of neighbours
    down, and across. Of each two: their covariance over the root of what is left of the product of
    their variances, which is the hyperbolic sine of Fisher's z of their correlation and needs no
    logarithm. Sums are whole numbers, and the few steps after them are rounded alike everywhere.
    """
    grid = samples.astype(np.int64)
    channels = [grid[..., channel].reshape(len(grid), _COUNT) for channel in range(3)]
    variances = [_covariance(channel, channel) for channel in channels]
    down, across = (np.abs(np.diff(grid, axis=axis)).sum(axis=(1, 2)) for axis in (1, 2))
    columns = [
        *(channel.sum(axis=1) / _COUNT for channel in channels),
        *(np.sqrt(variance.astype(np.float64)) / _COUNT for variance in variances),
        *(_tied(channels[a], channels[b], variances[a] * variances[b]) for a, b in _PAIRS),
        *(down.T / _NEIGHBOURS),
        *(across.T / _NEIGHBOURS),
    ]
    return np.stack(columns, axis=1)


def _tied(
    first: npt.NDArray[np.int64], second: npt.NDArray[np.int64], product: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """See ``looks_of``; ``product``: of their variances, under 2^61."""
    together = _covariance(first, second)
    # Where a colour says all of another, or has no variance, the quotient would be endless.
    left = np.maximum(np.maximum(product - together * together, product // 1000), 1)
    return np.asarray(together / np.sqrt(left.astype(np.float64)), np.float64)


def _covariance(
    first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Of each row of (D, n), times n squared."""
    mean_product = first.shape[1] * (first * second).sum(axis=1)
    return np.asarray(mean_product - first.sum(axis=1) * second.sum(axis=1), np.int64)
