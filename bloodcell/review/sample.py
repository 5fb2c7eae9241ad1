"""The share that a stratified sample gives by itself: no network is trusted.

The report's script computes the same; docs/statistics.md states the formulas.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bloodcell._core import clopper_pearson

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sample:
    """What was drawn from each of H strata, and what is known besides; all arrays (H,)."""

    cells: Counts
    """Leukocytes by the network in the stratum, without those of ``known``."""
    seen: Counts
    """Of these, drawn at random and answered."""
    blasts: Counts
    """Of those seen."""
    others: Counts
    """Of those seen, leukocytes that are no blasts; the rest are no leukocytes."""
    known: int = 0
    """Leukocytes answered that nobody drew."""
    known_blasts: int = 0

    @property
    def leukocyte_share(self) -> npt.NDArray[np.float64]:
        """Of the cells not seen, (H,): as of those seen, but half a cell never rules them out."""
        share: npt.NDArray[np.float64] = (self.blasts + self.others + 0.5) / (self.seen + 0.5)
        return share


@dataclass(frozen=True)
class SampleShare:
    """Shares of 0 to 1, the interval of 95 %."""

    share: float
    low: float
    high: float


def sample_share(sample: Sample) -> SampleShare:
    """Share of blasts and its interval; NaN if no leukocyte is left.

    Each stratum's share has its exact interval (Clopper & Pearson 1934); strata of which no
    leukocyte was seen are one, all blasts or none. Distances from the centre are added in squares
    (MOVER; Zou & Donner 2008, Statist. Med. 27:1693), each times sqrt(unseen / all) for a finite
    stratum.
    """
    counted = sample.blasts + sample.others
    unseen = (sample.cells - sample.seen) * sample.leukocyte_share
    leukocytes = counted + unseen
    total = sample.known + leukocytes.sum()
    if not total > 0:
        return SampleShare(np.nan, np.nan, np.nan)
    looked_at = counted > 0
    share = np.where(looked_at, sample.blasts / np.maximum(counted, 1), 0.5)
    interval = clopper_pearson(sample.blasts, counted)
    weight = np.sqrt(leukocytes * unseen)[looked_at]
    below, above = (np.abs(share - interval[end])[looked_at] for end in ("low", "high"))
    unknown = unseen[~looked_at].sum() / 2
    centre = float((sample.known_blasts + (leukocytes * share).sum()) / total)
    low, high = (math.hypot(unknown, *(weight * distance)) / total for distance in (below, above))
    return SampleShare(centre, max(centre - low, 0.0), min(centre + high, 1.0))
