"""Whether a cell cannot be read, or what holds it has gone: only the first is the cell's end."""

from contextlib import suppress

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bloodcell._core import REASONS
from bloodcell.engine.object_listing import holds_any
from bloodcell.engine.object_store import ObjectPath, Place
from bloodcell.engine.source import batches_of, read_files
from bloodcell.errors import Stopped, StoreError

NOT_READ = ("missing", "unreadable", "empty")
"""Reasons that may be gone tomorrow: the file was not there, or not yet whole."""

_CODES = [REASONS.index(reason) for reason in NOT_READ]
_WITNESSES = 64
_ROWS_AT_ONCE = 32


class SourceWatch:
    """Looks a second time at what could not be read, before that becomes a cell's end."""

    def __init__(self, root: Place) -> None:
        self._root = root
        self._identity = _identity(root)
        self._read_before: tuple[pa.Table, npt.NDArray[np.uint8]] | None = None

    def confirm(self, rows: pa.Table, reasons: npt.NDArray[np.uint8]) -> None:
        """Take ``reasons`` uint8 (N,) for the ends of ``rows`` of the manifest; else Stopped.

        Stopped if the root is no longer the folder that it was, if a cell that could not be read
        can be read now, or one that was read before no longer can.
        """
        not_read = np.flatnonzero(np.isin(reasons, _CODES))
        was_read = np.flatnonzero(~np.isin(reasons, _CODES))
        if len(not_read):
            self.refuse_if_gone()
            some = was_read[:: max(1, len(was_read) // _WITNESSES)]
            again = np.concatenate([not_read, some, np.intersect1d(not_read - 1, was_read)])
            self._look_again(rows.take(pa.array(again)), reasons[again])
            if self._read_before is not None:
                self._look_again(*self._read_before)
        if len(was_read):
            last = was_read[-_ROWS_AT_ONCE:]
            self._read_before = rows.take(pa.array(last)), reasons[last]

    def refuse_if_gone(self) -> None:
        """Stopped if the root is no longer the folder that it was."""
        if self._identity is None or _identity(self._root) != self._identity:
            raise self._stopped("is gone, or another folder than at the start")

    def _look_again(self, rows: pa.Table, reasons: npt.NDArray[np.uint8]) -> None:
        batches = read_files(self._root, batches_of(rows, _ROWS_AT_ONCE))
        cannot = np.isin(np.concatenate([batch.reasons for batch in batches]), _CODES)
        changed = np.flatnonzero(cannot != np.isin(reasons, _CODES))
        if len(changed):
            how = "can no longer be read" if cannot[changed[0]] else "can be read again"
            raise self._stopped(f"comes and goes: {rows['path'][int(changed[0])]} {how}")

    def _stopped(self, what: str) -> Stopped:
        return Stopped(
            f"stopped: the input below {self._root} {what}. What is finished is kept: bring it "
            "back and run the same command again"
        )


def _identity(root: Place) -> tuple[int, int] | None:
    if isinstance(root, ObjectPath):
        with suppress(OSError, StoreError):
            return (0, 0) if holds_any(root) else None
        return None
    try:
        status = root.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
