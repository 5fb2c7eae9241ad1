"""Numbers in lines and tables; a dash where there is none."""

from collections.abc import Callable

from bloodcell.bands import share_text


def from_to(low: float | None, high: float | None, text: Callable[[float], str]) -> str:
    """An interval, its ends as ``text`` has them."""
    return "-" if low is None or high is None else f"{text(low)} to {text(high)}"


def percent(value: float | None, digits: int = 1) -> str:
    """Percent or percentage points, without a sign."""
    return "-" if value is None else f"{value:.{digits}f}"


def blast_percent(value: float | None) -> str:
    """A share of blasts in percent, without a sign, on the right side of the decision lines."""
    return "-" if value is None else share_text(value)


def share(value: float | None, digits: int = 3) -> str:
    """A number from 0 to 1."""
    return "-" if value is None else f"{value:.{digits}f}"
