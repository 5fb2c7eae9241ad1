"""Read TOML on every supported Python (``tomllib`` is there from 3.11 on), and its numbers."""

import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from bloodcell.errors import BloodcellError


def read_toml(path: Path, error: type[BloodcellError]) -> dict[str, Any]:
    """Parse ``path``; raises ``error`` naming the file if it is missing or no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as cause:
        raise error(f"cannot read {path}: {cause.strerror}") from cause
    except (ValueError, RecursionError) as cause:  # numbers, or nesting, without end are such too
        raise error(f"{path} is not valid TOML: {cause}") from cause


def is_number(value: Any) -> bool:
    """Whether an entry is a number that a float holds; a truth value is none."""
    # Compared, for a whole number may be too large to be made a float.
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) <= sys.float_info.max
    )
