"""A worker whose lanes decode nothing and answer at once, or as late as a GPU of a given pace.

What is left of a run is what the CPU has to do beside a GPU: listing, reading, handing over,
storing, counting, the report.
"""

import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

import numpy as np
import numpy.typing as npt
import psutil

from bloodcell.engine import lanes, spawning
from bloodcell.engine.batches import EncodedBatch, ScoreBatch, scored_batch
from bloodcell.engine.lanes import Lane, Lanes
from bloodcell.engine.probabilities import PROBABILITY_STEP
from bloodcell.engine.setup import Setup

_PROGRAM = "import sys; sys.path[:] = sys.argv[2:]; from helpers.paced_worker import main; main()"
_PACE = "PACED_WORKER"
_DISTINCT = 4096
DEPTH = 3


@dataclass(frozen=True)
class Pace:
    """Of a pretended GPU; cells/s of each unit, 0 for at once."""

    batch: int = 256
    lanes: int = 1
    decoder: float = 0.0
    """Of one lane's decoder."""
    engines: float = 0.0
    """Of all decoders together."""
    network: float = 0.0
    """Of the lanes together."""


@contextmanager
def workers_of(pace: Pace) -> Iterator[None]:
    """Workers that start in a block have lanes of this pace."""
    program, spawning._PROGRAM = spawning._PROGRAM, _PROGRAM
    os.environ[_PACE] = json.dumps(asdict(pace))
    try:
        yield
    finally:
        spawning._PROGRAM = program
        del os.environ[_PACE]


def paced_workers() -> list[psutil.Process]:
    """Those that this process has now."""
    children = psutil.Process().children()
    return [child for child in children if _PROGRAM in child.cmdline()]


@dataclass
class Unit:
    """Does one thing after another, each for as long as its cells take."""

    cells_per_s: float
    _free_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def done_at(self, cells: int, from_s: float) -> float:
        """When ``cells`` are done that may begin at ``from_s`` (of ``time.monotonic``)."""
        with self._lock:
            begins = max(self._free_at, from_s)
            self._free_at = begins + (cells / self.cells_per_s if self.cells_per_s else 0.0)
            return self._free_at


@dataclass
class PacedLane:
    """Scores a cell by its row alone: what it gives does not depend on batch or lane."""

    units: Sequence[Unit]
    """What a batch passes through, one after the other."""
    probabilities: npt.NDArray[np.float32]
    depth: int = DEPTH

    def begin(self, batch: EncodedBatch) -> "_Begun":
        done_s = time.monotonic()
        for unit in self.units:
            done_s = unit.done_at(len(batch.rows), done_s)
        return _Begun(self, batch, done_s)


@dataclass(frozen=True)
class _Begun:
    lane: PacedLane
    batch: EncodedBatch
    done_s: float

    def finish(self) -> ScoreBatch:
        if (left_s := self.done_s - time.monotonic()) > 0:
            time.sleep(left_s)
        batch = self.batch
        passed = batch.rows[batch.reasons == 0]
        probabilities = self.lane.probabilities[passed % _DISTINCT]
        stained = np.ones(len(passed), np.bool_)
        return scored_batch(
            batch.rows, batch.reasons, probabilities, probabilities.shape[1],
            digests=batch.digests, stained=stained,
        )  # fmt: skip


def drawn_probabilities(classes: int) -> npt.NDArray[np.float32]:
    """The same at every call, (4096, classes), multiples of the step."""
    drawn = np.random.default_rng(1).dirichlet(np.full(classes, 0.1), _DISTINCT)
    return (np.floor(drawn / PROBABILITY_STEP) * PROBABILITY_STEP).astype(np.float32)


def paced_lanes(pace: Pace, classes: int) -> list[Lane]:
    probabilities = drawn_probabilities(classes)
    engines, network = Unit(pace.engines), Unit(pace.network)
    return [
        PacedLane([Unit(pace.decoder), engines, network], probabilities) for _ in range(pace.lanes)
    ]


def main() -> None:
    """As ``bloodcell.engine.worker.main``, with lanes of the pace in the environment."""
    from bloodcell.engine import worker

    pace = Pace(**json.loads(os.environ[_PACE]))

    def open_lanes(setup: Setup) -> Lanes:
        made_of = {"pace": "drawn"}
        paced = paced_lanes(pace, setup.network.class_count)
        return Lanes(paced, pace.batch, pass_cells=1, made_of=made_of)

    lanes.open_lanes = open_lanes
    worker.main()
