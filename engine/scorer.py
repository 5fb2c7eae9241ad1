"""From rows of a manifest to scored batches, in worker processes."""

import threading
from collections.abc import Generator, Iterable, Sequence
from typing import Protocol

import pyarrow as pa

from bloodcell.engine.backends.cuda import Device, all_devices
from bloodcell.engine.batches import ScoreBatch
from bloodcell.engine.setup import Setup
from bloodcell.engine.workers import Note, WorkerScorer
from bloodcell.errors import EngineError


class AtWork(Protocol):
    """What is known of whoever scores, whatever is given to it."""

    @property
    def made_of(self) -> dict[str, str]:
        """See ``Lanes.made_of``."""

    @property
    def lane_count(self) -> int:
        """How many lanes score side by side."""

    @property
    def devices(self) -> Sequence[Device]:
        """The GPUs that it uses; none on the CPU."""

    @property
    def batch_size(self) -> int:
        """Most rows of a table."""

    def close(self) -> None:
        """End the processes it has started, if any; it scores no more."""


class Scorer(AtWork, Protocol):
    """Scores tables of rows; every row of every table comes back in exactly one batch."""

    def score(self, tables: Iterable[pa.Table | None], note: Note) -> Generator[ScoreBatch]:
        """Score ``tables`` (columns ``row`` int64, ``path`` string; at most ``batch_size`` rows).

        One batch a table, in any order, but not all where it is to stop. A None among them:
        there are no more for now; it ends when nothing is at work, and until then asks again.
        ``note`` is told ``restart`` when a worker was lost, and ``blame`` of a row that ends
        workers. Closing the generator ends what it started. Raises EngineError if decoding or the
        network fails as a whole.
        """


def open_scorer(setup: Setup, workers: int | None, stop: threading.Event) -> Scorer:
    """Scorer with ``workers`` processes; None: one a GPU where the backend uses them, else one.

    None of them is this process: an image that ends one costs a cell and not the run. Raises
    ModelError or EngineError if the network cannot be opened, Stopped once ``stop`` is set, and
    EngineError for more workers than there are GPUs.
    """
    gpus = all_devices() if setup.choice.on_gpu else []
    count = workers or max(1, len(gpus))
    if gpus and count > len(gpus):
        raise EngineError(f"{count} workers need as many GPUs, {len(gpus)} found")
    devices = gpus[:count]
    environments = [{"CUDA_VISIBLE_DEVICES": f"GPU-{device.uuid}"} for device in devices]
    # A single one takes the first GPU of those that it sees, as this process would.
    alone = count == 1 or not gpus
    return WorkerScorer(setup, [{}] * count if alone else environments, devices, stop)
