"""A lane like a GPU's: work is begun at once, done later, and never when one would like it.

A batch's only "probability" is its first row number, so that a test sees what became of it.
"""

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from bloodcell.engine.batches import EncodedBatch, ScoreBatch
from bloodcell.errors import EngineError


def batches(count: int, cells: int = 4) -> Iterator[EncodedBatch]:
    """``count`` batches of ``cells`` rows each, numbered through."""
    for number in range(count):
        rows = np.arange(number * cells, (number + 1) * cells)
        nothing, no_digests = np.zeros(cells, np.uint8), np.zeros((cells, 16), np.uint8)
        yield EncodedBatch(rows, nothing, np.arange(cells + 1), nothing, no_digests)


@dataclass
class SimulatedLane:
    """``delay_s``: the longest that a batch takes; ``fails_at``: the row whose batch never ends."""

    depth: int
    delay_s: float = 0.002
    fails_at: int | None = None
    seed: int = 0
    most_in_flight: int = 0
    scored: int = 0
    _in_flight: list["_Simulated"] = field(default_factory=list)

    def begin(self, batch: EncodedBatch) -> "_Simulated":
        chance = random.Random(int(batch.rows[0]) + self.seed)
        begun = _Simulated(self, batch)
        self._in_flight.append(begun)
        self.most_in_flight = max(self.most_in_flight, len(self._in_flight))
        timer = threading.Timer(chance.uniform(0, self.delay_s), begun.done.set)
        timer.daemon = True
        timer.start()
        return begun


@dataclass
class _Simulated:
    lane: SimulatedLane
    batch: EncodedBatch
    done: threading.Event = field(default_factory=threading.Event)

    def finish(self) -> ScoreBatch:
        assert self.lane._in_flight.pop(0) is self, "finished in another order than begun"
        if self.lane.fails_at in self.batch.rows:
            time.sleep(self.lane.delay_s)
            raise EngineError("the device is gone")
        assert self.done.wait(10)
        self.lane.scored += 1
        rows, reasons, digests = self.batch.rows, self.batch.reasons, self.batch.digests
        return ScoreBatch(
            rows,
            reasons,
            np.full((len(rows), 1), rows[0], np.float32),
            digests,
            np.ones(len(rows), np.bool_),
        )
