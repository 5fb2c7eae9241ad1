"""Read TOML on every supported Python (``tomllib`` is there from 3.11 on)."""

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
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as cause:
        raise error(f"{path} is not valid TOML: {cause}") from cause
