"""One process's way from rows of a manifest to scored batches."""

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from bloodcell.engine.backends import Choice, Network, open_backend
from bloodcell.engine.batches import ScoreBatch
from bloodcell.engine.decode import Decoder
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.engine.source import read_files
from bloodcell.engine.stream import score_stream


@dataclass(frozen=True)
class Setup:
    """All that scoring needs to know; ``batch_size`` and ``threads`` never change a result."""

    choice: Choice
    network: Network
    preprocessing: Preprocessing
    root: Path
    """What relative paths start from."""
    batch_size: int
    """Most cells a batch."""
    threads: int
    """CPU threads."""


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
    """Scores in this process, in the order of the tables.

    Raises ModelError or EngineError if the network cannot be opened or fails its self-test.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._backend = open_backend(setup.choice, setup.network, setup.threads)
        self.made_of = self._backend.made_of

    def score(self, tables: Iterable[pa.Table]) -> Generator[ScoreBatch]:
        """See ``Scorer.score``."""
        setup = self._setup
        decoder = Decoder(setup.preprocessing, batch_size=setup.batch_size, threads=setup.threads)
        return score_stream(read_files(setup.root, tables), decoder, self._backend)
