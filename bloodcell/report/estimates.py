"""A share of blasts as a page gives it."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bloodcell.review.plan import DECISION_LINES


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


def percent_of(part: int, whole: int) -> float | None:
    """None of nothing."""
    return 100 * part / whole if whole else None
