"""A share of blasts as a page gives it."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bloodcell.bands import DECISION_LINES
from bloodcell.report.counting import of_blood


@dataclass(frozen=True)
class Estimate:
    """A share of blasts in percent; all None where none can be given."""

    share: float | None
    low: float | None
    high: float | None

    @property
    def is_given(self) -> bool:
        """Whether there is one."""
        return self.share is not None

    @property
    def lines_inside(self) -> list[float]:
        """Which of 5, 10 and 20 % lie inside the interval."""
        if self.low is None or self.high is None:
            return []
        return [line for line in DECISION_LINES if self.low < line < self.high]

    def is_at_odds_with(self, band: int | None, interval_width: float) -> bool:
        """Whether the share lies outside ``band``, and the interval is too wide to say more.

        ``band`` is a place among the four; ``interval_width`` in percent, up to which an interval
        is sufficient. A share is of the cells and a band of the blood: of few cells they part.
        """
        if band is None or self.share is None or self.low is None or self.high is None:
            return False
        own = bisect_right(DECISION_LINES, self.share)
        return own != band and self.high - self.low > interval_width


def estimate_of(row: Mapping[str, Any], name: str = "blast_percent") -> Estimate:
    """The share called ``name`` in ``row``, which may have none."""
    return Estimate(*(row.get(f"{name}{end}") for end in ("", "_low", "_high")))


def shares_of(estimates: Sequence[Estimate]) -> npt.NDArray[np.float64]:
    """Shares and the ends of their intervals, of 0 to 1, (3, N); NaN where none is given."""
    percents = np.array([astuple(one) for one in estimates], np.float64)
    return percents.reshape(-1, 3).T / 100


def in_blood(reviewed: Sequence[Estimate], cells: Sequence[int]) -> list[Estimate]:
    """The same of the blood, of which so many ``cells`` were counted; those not given stay so."""
    share, low, high = shares_of(reviewed)
    ends = of_blood(share, low, high, np.array(cells, np.int64))
    return [
        Estimate(one.share, 100 * float(first), 100 * float(last)) if one.is_given else one
        for one, first, last in zip(reviewed, *ends, strict=True)
    ]


def percent_of(part: int, whole: int) -> float | None:
    """None of nothing."""
    return 100 * part / whole if whole else None
