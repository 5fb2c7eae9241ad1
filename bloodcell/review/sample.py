"""The share that a stratified sample gives by itself: no network is trusted.

The report's script computes the same; docs/statistics.md states the formulas, and
``sample_share.hpp`` in csrc/statistics has them.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bloodcell import _core

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


@dataclass(frozen=True)
class SampleShare:
    """Shares of 0 to 1, the interval of 95 %; NaN if no leukocyte is left."""

    share: float
    low: float
    high: float
    bands: tuple[float, ...]
    """Chances of under 5, 5 to under 10, 10 to under 20 and 20 % or more, in the blood."""


def sample_share(sample: Sample) -> SampleShare:
    """Share of blasts, its interval and bands, by the arithmetic of `csrc/statistics`."""
    core = _core.sample_share(
        cells=sample.cells,
        seen=sample.seen,
        blasts=sample.blasts,
        others=sample.others,
        known=sample.known,
        known_blasts=sample.known_blasts,
    )
    share, low, high = (float(core[name]) for name in ("share", "low", "high"))
    return SampleShare(share, low, high, tuple(map(float, core["bands"])))
