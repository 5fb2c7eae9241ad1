"""One process's way from rows of a manifest to scored batches."""

from collections.abc import Generator, Iterable
from typing import Protocol

import pyarrow as pa

from bloodcell.engine.batches import ScoreBatch
from bloodcell.engine.lanes import Setup, open_lanes
from bloodcell.engine.source import read_files
from bloodcell.engine.stream import score_stream


class Scorer(Protocol):
    """Scores tables of rows; every row of every table comes back in exactly one batch."""

    @property
    def made_of(self) -> dict[str, str]:
        """See ``Backend.made_of``."""

    def score(self, tables: Iterable[pa.Table]) -> Generator[ScoreBatch]:
        """Score ``tables`` (columns ``row`` int64, ``path`` string; at most ``batch_size`` rows).

        One batch a table, in any order. Closing the generator ends what it started. Raises
        EngineError if decoding or the network fails as a whole.
        """


class LocalScorer:
    """Scores in this process, on as many lanes as the setup allows.

    Raises ModelError or EngineError if the network cannot be opened or fails its self-test.
    """

    def __init__(self, setup: Setup) -> None:
        self._root = setup.root
        self._lanes = open_lanes(setup)
        self.made_of = self._lanes[0].backend.made_of

    def score(self, tables: Iterable[pa.Table]) -> Generator[ScoreBatch]:
        """See ``Scorer.score``."""
        return score_stream(read_files(self._root, tables), self._lanes)
