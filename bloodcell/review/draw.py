"""Drawing the next cells of a patient: from which strata, and which of each."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bloodcell.review.leukocytes import STRATA
from bloodcell.review.patient import PatientReview, by_stratum

_GOLDEN = (math.sqrt(5) - 1) / 2

Integers = npt.NDArray[np.int64]


def next_places(
    review: PatientReview, cells: int, seed: Sequence[int], *, trusted: bool
) -> Integers:
    """Places of the next ``cells`` cells, fewer if fewer are left.

    The core chooses the strata; their sizes do where the network is not ``trusted``. A stratum's
    cells are sorted by bin of log-odds and shuffled within it, as the posterior takes them to be
    drawn, and taken a golden section apart from a random start on: each is drawn with the same
    chance, and any number of them lies evenly. Equal seeds draw alike, so what was drawn before is
    passed over.
    """
    if cells == 0:
        return np.zeros(0, np.int64)
    draw = np.random.default_rng(seed)
    starts, shuffled = draw.random(STRATA), draw.permutation(len(review.cells.row))
    in_order = np.lexsort((shuffled, review.cells.bin))
    stratum = review.cells.stratum[in_order]
    waiting = [_waiting(review, in_order[stratum == h], starts[h], cells) for h in range(STRATA)]
    strata = _next_strata(review, waiting, cells, trusted=trusted)
    taken = [iter(places) for places in waiting]
    return np.array([next(taken[h]) for h in strata], np.int64)


def _waiting(review: PatientReview, own: Integers, start: float, cells: int) -> Integers:
    """The next ``cells`` places of ``own``, those of a stratum in ascending order."""
    out = np.concatenate([review.drawn, review.answers.row, review.not_told])
    count = min(len(own), cells + int(np.isin(review.cells.row[own], out).sum()))
    in_order = own[spread_evenly(len(own), start, count)]
    return in_order[~np.isin(review.cells.row[in_order], out)][:cells]


def spread_evenly(cells: int, start: float, count: int) -> list[int]:
    """The first ``count`` of a sequence of all indices below ``cells``."""
    indices: dict[int, None] = {}
    for step in range(count):
        index = int((start + step * _GOLDEN) % 1.0 * cells)
        while index in indices:
            index = (index + 1) % cells
        indices[index] = None
    return list(indices)


def _next_strata(
    review: PatientReview, waiting: list[Integers], cells: int, *, trusted: bool
) -> list[int]:
    drawn = by_stratum(review.cells.stratum[review.drawn_places])
    if review.prior is None or not trusted:
        return _by_size(review.drawable, drawn, [len(places) for places in waiting], cells)
    bins = review.cells.bin
    chosen = review.prior.next_strata(
        **review.for_core,
        pending_bin=bins[review.drawn_places[~review.is_answered]],
        waiting=[bins[places] for places in waiting],
        drawable=review.drawable,
        drawn=drawn,
        cells=cells,
    )
    return [int(stratum) for stratum in chosen]


def _by_size(drawable: Integers, drawn: Integers, waiting: list[int], cells: int) -> list[int]:
    """Each next cell from where the most cells stand behind each one drawn."""
    drawn, left, strata = drawn.copy(), np.array(waiting), []
    for _ in range(min(cells, int(left.sum()))):
        stratum = int(np.where(left > 0, drawable / (drawn + 1), -1.0).argmax())
        drawn[stratum] += 1
        left[stratum] -= 1
        strata.append(stratum)
    return strata
