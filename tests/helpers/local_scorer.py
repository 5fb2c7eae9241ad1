"""A scorer without processes of its own, for tests that put something into this one."""

from collections.abc import Generator, Iterable

import pyarrow as pa

from bloodcell.engine.backends.cuda import Device
from bloodcell.engine.batches import ScoreBatch
from bloodcell.engine.lanes import open_lanes
from bloodcell.engine.setup import Setup
from bloodcell.engine.source import read_files
from bloodcell.engine.stream import score_stream
from bloodcell.engine.workers import Note


class LocalScorer:
    """Scores in this process; takes the place of ``open_scorer``."""

    def __init__(self, setup: Setup, *_workers_and_stop: object) -> None:
        self._root = setup.root
        opened = open_lanes(setup)
        self._lanes = opened.lanes
        self.lane_count = len(opened.lanes)
        self.devices: list[Device] = []
        self.batch_size, self.made_of = opened.batch_size, opened.made_of

    def score(self, tables: Iterable[pa.Table], _note: Note | None = None) -> Generator[ScoreBatch]:
        return score_stream(read_files(self._root, tables), self._lanes)

    def close(self) -> None:
        pass
