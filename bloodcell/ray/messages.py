"""What an actor is told and says, besides the messages of worker processes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bloodcell.engine.setup import Setup
from bloodcell.scheme import Scheme


@dataclass(frozen=True)
class Task:
    """What all actors of a run do. Pickled, so that another version never has to read it."""

    setup: Setup
    scheme: Scheme
    rows_per_part: int


@dataclass(frozen=True)
class Proof:
    """A cell that the driver can read: an actor must read the same bytes."""

    row: pa.Table
    """Of the manifest, a single one."""
    digest: bytes


@dataclass(frozen=True)
class Given:
    """A part to score."""

    number: int
    rows: pa.Table
    """Of the manifest."""


@dataclass(frozen=True)
class Whole:
    """A part that is scored; see ``ScoredPart``."""

    number: int
    reasons: npt.NDArray[np.uint8]
    content: bytes


@dataclass(frozen=True)
class Begun:
    """How many cells of parts that are not whole yet are scored."""

    cells: int


@dataclass(frozen=True)
class Noted:
    """An event for the audit log."""

    event: str
    facts: dict[str, Any]
