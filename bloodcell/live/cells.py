"""A cell on its way, and what becomes of it."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from bloodcell.live.images import Image
    from bloodcell.live.patients import OpenPatient

Status: TypeAlias = Literal["scored", "rejected", "expired"]
"""``expired``: there was no result by the cell's deadline; it is not counted."""


@dataclass(frozen=True, slots=True, eq=False)
class CellResult:
    """What is known of a cell: the columns of ``cells/``, but for the path that it has not."""

    row: int
    patient: str
    status: Status
    reason: str | None = None
    """Why it was rejected; None if it was not."""
    cell_class: str | None = None
    """The most probable class, column ``class``; None unless scored, like the next two."""
    blast_probability: float | None = None
    probabilities: npt.NDArray[np.float32] | None = None
    """(C,), in the order of the scheme's classes."""
    digest: bytes | None = None
    """Of the bytes that were given, or of the pixels; None if there were none, of an image in
    device memory, and if expired."""
    stained: bool | None = None
    """Whether the image looks as the network's stained smears do; None unless scored."""

    def as_row(self) -> dict[str, Any]:
        """The same by the names of the columns, ``class`` among them."""
        names = {"cell_class": "class"}
        return {names.get(one.name, one.name): getattr(self, one.name) for one in fields(self)}


@dataclass(slots=True, eq=False)
class Cell:
    """A cell that has no result yet."""

    image: Image | None
    """None once a lane has it."""
    patient: OpenPatient
    row: int | None
    """None until it waits: it then gets its number as its row."""
    submitted_s: float
    """As ``time.monotonic`` tells it, like the next."""
    due_s: float | None
    """When its result is no longer wanted."""
    number: int = -1
    """How many were submitted before it; below 0 until it is."""
    future: Future[CellResult] = field(default_factory=Future)

    @property
    def has_number(self) -> bool:
        """Whether it was submitted: whoever takes it then settles it."""
        return self.number >= 0

    def is_late(self, now_s: float) -> bool:
        """Whether its deadline has passed."""
        return self.due_s is not None and now_s >= self.due_s

    def expired(self) -> CellResult:
        """What it comes to when its deadline has passed."""
        assert self.row is not None
        return CellResult(self.row, self.patient.name, "expired")
