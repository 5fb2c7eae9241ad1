"""A measurement that fails is an entry with its reason, and never the end of the others."""

from collections.abc import Callable
from typing import Any, TypeAlias

from bloodcell.bench.record import one_line

Entry: TypeAlias = dict[str, Any]


def attempted(measure: Callable[[], Entry]) -> Entry:
    """Its entry, or why there is none, whatever a library raised."""
    try:
        return measure()
    except Exception as error:
        return {"failed": one_line(error)}
