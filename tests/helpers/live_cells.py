"""What the tests of ``Engine`` share: results as ``cells/`` has them, and a lane that waits."""

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bloodcell.engine.batches import Batch, ScoreBatch
from bloodcell.engine.lanes import Lanes
from bloodcell.errors import EngineError
from bloodcell.live import CellResult

CLASSES = 18
"""Of the shipped scheme jhu18."""


def as_stored(result: CellResult) -> dict[str, Any]:
    """A row of ``cells/`` as Arrow gives it, without its path."""
    row = result.as_row()
    probabilities = [None] * CLASSES if row["status"] == "rejected" else None
    if row["probabilities"] is not None:
        probabilities = row["probabilities"].tolist()
    return row | {"probabilities": probabilities}


def stored(row: dict[str, Any]) -> dict[str, Any]:
    """The same of a row that ``score`` wrote, beside which a test has kept more."""
    return {name: value for name, value in row.items() if name not in ("image", "path")}


@dataclass
class HeldLane:
    """Scores all cells alike, once ``go`` is set; ``fails``: instead of that."""

    go: threading.Event = field(default_factory=threading.Event)
    taken: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Is released at each batch that it begins."""
    sizes: list[int] = field(default_factory=list)
    fails: bool = False
    depth: int = 1

    def begin(self, batch: Batch) -> "_Held":
        self.sizes.append(len(batch.rows))
        self.taken.release()
        return _Held(self, batch)


@dataclass
class _Held:
    lane: HeldLane
    batch: Batch

    def finish(self) -> ScoreBatch:
        assert self.lane.go.wait(20)
        if self.lane.fails:
            raise EngineError("the device is gone")
        rows, reasons = self.batch.rows, self.batch.reasons
        probabilities = np.zeros((len(rows), CLASSES), np.float32)
        probabilities[:, 0] = 1
        stained = np.ones(len(rows), np.bool_)
        return ScoreBatch(rows, reasons, probabilities, self.batch.digests, stained)


def held_lanes(*lanes: HeldLane, batch_size: int = 4, pass_cells: int = 1) -> Any:
    """Takes the place of ``open_lanes``."""
    return lambda _setup: Lanes(lanes, batch_size, pass_cells, {})
