"""What ``Engine`` may be given besides images: checked, and as the kind of number it is used as."""

import os
from typing import Any, Literal, get_args

from bloodcell.errors import InputError
from bloodcell.given_numbers import finite, whole

WhenFull = Literal["block", "refuse"]

LONGEST_WAIT_S = 1e9
"""About 30 years, which no engine sees; the system's waits take no more than nine times that."""


def check_options(
    *,
    model: Any,
    max_delay_ms: float,
    when_full: Any,
) -> None:
    """InputError for an option of ``Engine`` that cannot be."""
    if model is not None and not isinstance(model, str | os.PathLike):
        raise InputError(f"model is a name or a folder, {model!r} given")
    if max_delay_ms < 0:
        raise InputError(f"max_delay_ms is 0 or more milliseconds, {max_delay_ms} given")
    if when_full not in get_args(WhenFull):
        raise InputError(f"when_full is one of {get_args(WhenFull)}, not {when_full!r}")


def checked_row(row: Any) -> int | None:
    """A row's number, None if none is given; InputError."""
    number = None if row is None else whole("row", row)
    if number is not None and not 0 <= number < 2**63:
        raise InputError(f"row is 0 or more, {number} given")
    return number


def due_s(deadline_s: Any, now_s: float) -> float | None:
    """When a cell is due, by the clock of ``now_s``; None if it never is. InputError."""
    if deadline_s is None:
        return None
    return now_s + min(finite("deadline_s", deadline_s, "seconds"), LONGEST_WAIT_S)
