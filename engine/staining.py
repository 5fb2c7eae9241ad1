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

_FIRST, _SECOND = [0, 0, 1], [1, 2, 2]
"""Each two colours."""
_COUNT = SAMPLES_PER_SIDE**2
_NEIGHBOURS = SAMPLES_PER_SIDE * (SAMPLES_PER_SIDE - 1)

Whole = npt.NDArray[np.int64]
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
        above = np.ascontiguousarray((looks - np.array(self.means)).T)
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
    planes = _planes_of(samples)
    sums, covariances = _moments_of(planes)
    may_be = _has_light_and_colours(sums, covariances)
    if smears is None:
        return may_be
    distances = smears.distances(_looks_of(planes, sums, covariances))
    return np.asarray(may_be & (distances <= smears.limit), np.bool_)


def looks_of(samples: npt.NDArray[np.uint8]) -> Looks:
    """What light, colours and structure D images have, in levels of 255.

    Of red, green and blue each: the mean, the standard deviation, the mean difference of neighbours
    down, and across. Of each two: their covariance over the root of what is left of the product of
    their variances, which is the hyperbolic sine of Fisher's z of their correlation and needs no
    logarithm. Sums are whole numbers, and the few steps after them are rounded alike everywhere.
    """
    planes = _planes_of(samples)
    return _looks_of(planes, *_moments_of(planes))


def _planes_of(samples: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """(D, 3, SAMPLES_PER_SIDE, SAMPLES_PER_SIDE)."""
    return np.ascontiguousarray(samples.transpose(0, 3, 1, 2)).astype(np.int32)


def _moments_of(planes: npt.NDArray[np.int32]) -> tuple[Whole, Whole]:
    """The sum of each colour, (D, 3), and their covariances times _COUNT squared, (D, 3, 3)."""
    flat = planes.reshape(len(planes), 3, _COUNT)
    sums = flat.sum(axis=2, dtype=np.int64)
    # At most 256 x 255^2, so 32 bits hold them.
    products = np.einsum("dai,dbi->dab", flat, flat).astype(np.int64)
    return sums, _COUNT * products - sums[:, :, None] * sums[:, None, :]


def _has_light_and_colours(sums: Whole, covariances: Whole) -> npt.NDArray[np.bool_]:
    mean = sums / _COUNT / 255
    level = mean.mean(axis=1)
    is_lit = (level >= _DARKEST) & (level <= _BRIGHTEST)
    is_green_least = mean[:, 0] - mean[:, 1] >= _LEAST_RED_OVER_GREEN
    # The slope of red over blue by the mean of the three, of which their sum is three times.
    with_sum = covariances.sum(axis=2)
    variance, red_over_blue = with_sum.sum(axis=1), with_sum[:, 0] - with_sum[:, 2]
    is_dark_blue = 3 * red_over_blue > _LEAST_BLUENESS_OF_DARK * variance
    return np.asarray(is_lit & is_green_least & is_dark_blue, np.bool_)


def _looks_of(planes: npt.NDArray[np.int32], sums: Whole, covariances: Whole) -> Looks:
    variances = np.diagonal(covariances, axis1=1, axis2=2)
    together = covariances[:, _FIRST, _SECOND]
    product = variances[:, _FIRST] * variances[:, _SECOND]
    # Where a colour says all of another, or has no variance, the quotient would be endless.
    left = np.maximum(np.maximum(product - together * together, product // 1000), 1)
    steps = [np.abs(np.diff(planes, axis=axis)).sum(axis=(2, 3)) for axis in (2, 3)]
    return np.concatenate(
        [
            sums / _COUNT,
            np.sqrt(variances.astype(np.float64)) / _COUNT,
            together / np.sqrt(left.astype(np.float64)),
            *(step / _NEIGHBOURS for step in steps),
        ],
        axis=1,
    )
