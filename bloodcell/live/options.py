"""What ``Engine`` may be given besides images: checked, and as the kind of number it is used as."""

import math
import operator
import os
from numbers import Real
from typing import Any, Literal, get_args

from bloodcell.errors import InputError

WhenFull = Literal["block", "refuse"]

MOST_THREADS = 1024
"""Each is a lane that holds the network's buffers; libbloodcell takes as many."""
LONGEST_WAIT_S = 1e9
"""About 30 years, which no engine sees; the system's waits take no more than nine times that."""


def check_options(
    *,
    model: Any,
    threads: Any,
    max_delay_ms: Any,
    max_waiting: Any,
    when_full: Any,
    interval_width: Any,
) -> None:
    """InputError for an option of ``Engine`` that cannot be."""
    if model is not None and not isinstance(model, str | os.PathLike):
        raise InputError(f"model is a name or a folder, {model!r} given")
    for name, count in (("threads", threads), ("max_waiting", max_waiting)):
        if count is not None and _whole(name, count) < 1:
            raise InputError(f"{name} is at least 1, {count} given")
    if threads is not None and threads > MOST_THREADS:
        raise InputError(f"threads is at most {MOST_THREADS}, {threads} given")
    if _finite("max_delay_ms", max_delay_ms, "milliseconds") < 0:
        raise InputError(f"max_delay_ms is 0 or more milliseconds, {max_delay_ms} given")
    if when_full not in get_args(WhenFull):
        raise InputError(f"when_full is one of {get_args(WhenFull)}, not {when_full!r}")
    _finite("interval_width", interval_width, "points")


def checked_row(row: Any) -> int | None:
    """A row's number, None if none is given; InputError."""
    number = None if row is None else _whole("row", row)
    if number is not None and not 0 <= number < 2**63:
        raise InputError(f"row is 0 or more, {number} given")
    return number


def due_s(deadline_s: Any, now_s: float) -> float | None:
    """When a cell is due, by the clock of ``now_s``; None if it never is. InputError."""
    if deadline_s is None:
        return None
    return now_s + min(_finite("deadline_s", deadline_s, "seconds"), LONGEST_WAIT_S)


def _whole(name: str, value: Any) -> int:
    # A truth value is 0 or 1, too, which nobody means by it.
    whole: Any = None if isinstance(value, bool) else value
    try:
        return operator.index(whole)
    except TypeError as error:
        raise InputError(f"{name} is a whole number, {value!r} given") from error


def _finite(name: str, value: Any, unit: str) -> float:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    try:
        number = float(value) if is_number else math.nan
    except OverflowError as error:
        raise InputError(f"{name} is a number of {unit} that a float holds") from error
    if not math.isfinite(number):
        raise InputError(f"{name} is a number of {unit}, {value!r} given")
    return number
