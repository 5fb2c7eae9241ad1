"""Numbers that a caller in Python gives: checked, and as the kind that they are used and kept as.

Light: loaded before anything that scores.
"""

import math
import operator
from numbers import Real
from typing import Any

from bloodcell.errors import InputError

MOST_THREADS = 1024
"""Each is a lane that holds the network's buffers; libbloodcell takes as many."""


def whole(name: str, value: Any) -> int:
    """An integer of any kind, NumPy's too; else InputError."""
    # A truth value is 0 or 1, too, which nobody means by it.
    number: Any = None if isinstance(value, bool) else value
    try:
        return operator.index(number)
    except TypeError as error:
        raise InputError(f"{name} is a whole number, {value!r} given") from error


def count(name: str, value: Any) -> int | None:
    """A whole number of 1 or more, None if none is given; else InputError."""
    number = None if value is None else whole(name, value)
    if number is not None and number < 1:
        raise InputError(f"{name} is at least 1, {number} given")
    return number


def thread_count(value: Any) -> int | None:
    """``threads``: 1 to ``MOST_THREADS``, None if none is given; else InputError."""
    threads = count("threads", value)
    if threads is not None and threads > MOST_THREADS:
        raise InputError(f"threads is at most {MOST_THREADS}, {threads} given")
    return threads


def finite(name: str, value: Any, unit: str) -> float:
    """A number of ``unit`` that a float holds; else InputError."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    try:
        number = float(value) if is_number else math.nan
    except OverflowError as error:
        raise InputError(f"{name} is a number of {unit} that a float holds") from error
    if not math.isfinite(number):
        raise InputError(f"{name} is a number of {unit}, {value!r} given")
    return number
