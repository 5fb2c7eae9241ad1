"""From rows of a manifest to scored batches, in this process or in several."""

from collections.abc import Generator, Iterable, Sequence
from typing import Protocol

import pyarrow as pa

from bloodcell.engine.backends.cuda import Device, all_devices, first_device
from bloodcell.engine.batches import ScoreBatch
from bloodcell.engine.lanes import Setup, open_lanes
from bloodcell.engine.source import read_files
from bloodcell.engine.stream import most_ahead, score_stream
from bloodcell.errors import EngineError


class Scorer(Protocol):
    """Scores tables of rows; every row of every table comes back in exactly one batch."""

    @property
    def made_of(self) -> dict[str, str]:
        """See ``Lanes.made_of``."""

    @property
    def lanes(self) -> int:
        """How many lanes score side by side."""

    @property
    def devices(self) -> Sequence[Device]:
        """The GPUs that it uses; none on the CPU."""

    @property
    def batch_size(self) -> int:
        """Most rows of a table."""

    def score(self, tables: Iterable[pa.Table]) -> Generator[ScoreBatch]:
        """Score ``tables`` (columns ``row`` int64, ``path`` string; at most ``batch_size`` rows).

        One batch a table, in any order. Closing the generator ends what it started. Raises
        EngineError if decoding or the network fails as a whole.
        """

    def close(self) -> None:
        """End the processes it has started, if any; it scores no more."""


def open_scorer(setup: Setup, workers: int | None) -> Scorer:
    """Scorer with ``workers`` processes; None: one a GPU where the backend uses them, else one.

    A single one is this process. Raises ModelError or EngineError if the network cannot be
    opened, and EngineError for more workers than there are GPUs.
    """
    found = all_devices() if setup.choice.on_gpu else []
    count = workers or max(1, len(found))
    if count == 1:
        return LocalScorer(setup)
    if found and count > len(found):
        raise EngineError(f"{count} workers need as many GPUs, {len(found)} found")
    from bloodcell.engine.workers import WorkerScorer

    devices = found[:count]
    environments = [{"CUDA_VISIBLE_DEVICES": f"GPU-{device.uuid}"} for device in devices]
    return WorkerScorer(setup, environments or [{}] * count, devices)


class LocalScorer:
    """Scores in this process, on as many lanes as the setup allows.

    Raises ModelError or EngineError if the network cannot be opened or fails its self-test.
    """

    def __init__(self, setup: Setup) -> None:
        self._root = setup.root
        opened = open_lanes(setup)
        self._lanes = opened.lanes
        self.lanes = len(opened.lanes)
        self.ahead = most_ahead(opened.lanes)
        """Tables that are taken before the first batch must be received."""
        self.devices = [first_device()] if setup.choice.on_gpu else []
        self.batch_size, self.made_of = opened.batch_size, opened.made_of

    def score(self, tables: Iterable[pa.Table]) -> Generator[ScoreBatch]:
        """See ``Scorer.score``."""
        return score_stream(read_files(self._root, tables), self._lanes)

    def close(self) -> None:
        """See ``Scorer.close``."""
