"""Scoring in this process alone: rows of a manifest to scored batches, on its own lanes."""

from collections.abc import Generator, Iterable

import pyarrow as pa

from bloodcell.engine.backends.cuda import first_device
from bloodcell.engine.batches import ScoreBatch
from bloodcell.engine.lanes import Setup, open_lanes
from bloodcell.engine.source import read_files
from bloodcell.engine.stream import most_ahead, score_stream


class LocalScorer:
    """Scores in this process, on as many lanes as the setup allows.

    Raises ModelError or EngineError if the network cannot be opened or fails its self-test.
    """

    def __init__(self, setup: Setup) -> None:
        self._root = setup.root
        opened = open_lanes(setup)
        self._lanes = opened.lanes
        self.lane_count = len(opened.lanes)
        self.ahead = most_ahead(opened.lanes)
        """Tables that are taken before the first batch must be received."""
        self.devices = [first_device()] if setup.choice.on_gpu else []
        self.batch_size, self.made_of = opened.batch_size, opened.made_of

    def score(self, tables: Iterable[pa.Table]) -> Generator[ScoreBatch]:
        """See ``Scorer.score``."""
        return score_stream(read_files(self._root, tables), self._lanes)

    def close(self) -> None:
        """See ``Scorer.close``."""
