"""Who scores whole parts: the seam between a session and the processes or machines at work."""

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Protocol

import pyarrow as pa

from bloodcell.engine.scorer import AtWork, Scorer
from bloodcell.engine.source import batches_of
from bloodcell.engine.workers import Note
from bloodcell.parts import PartAssembler, ScoredPart
from bloodcell.scheme import Scheme

RowsOf = Callable[[int], pa.Table]
"""The manifest's rows of a part; may be asked for them again."""
Done = Callable[[int], None]
"""Called with how many cells of those that were asked for are scored by now."""


class PartScorer(AtWork, Protocol):
    """Scores parts of a manifest; each comes back once, whole, in any order."""

    def score(
        self, parts: Sequence[int], rows_of: RowsOf, note: Note, done: Done
    ) -> Generator[ScoredPart]:
        """Score the parts of these numbers, but not all of them where it is to stop.

        ``note``: see ``Scorer.score``. Closing the generator ends what it started. Raises an error
        of the tree if scoring fails as a whole.
        """


class MachinePartScorer:
    """Scores parts by the worker processes of this machine; ``stop``: set when it is to end."""

    def __init__(
        self, scorer: Scorer, scheme: Scheme, rows_per_part: int, stop: threading.Event
    ) -> None:
        self._scorer, self._scheme = scorer, scheme
        self._rows_per_part, self._stop = rows_per_part, stop
        self.made_of, self.lane_count = scorer.made_of, scorer.lane_count
        self.devices, self.batch_size = scorer.devices, scorer.batch_size

    def score(
        self, parts: Iterable[int | None], rows_of: RowsOf, note: Note, done: Done
    ) -> Generator[ScoredPart]:
        """See ``PartScorer.score``. A None among ``parts``: there are no more for now."""
        begun: dict[int, PartAssembler] = {}
        cells = 0
        with closing(self._scorer.score(self._tables(parts, rows_of, begun), note)) as batches:
            for batch in batches:
                part = int(batch.rows[0]) // self._rows_per_part
                begun[part].add(batch)
                cells += len(batch.rows)
                done(cells)
                if begun[part].complete:
                    yield begun.pop(part).part(part)
                if self._stop.is_set():
                    break

    def close(self) -> None:
        """See ``AtWork.close``."""
        self._scorer.close()

    def _tables(
        self, parts: Iterable[int | None], rows_of: RowsOf, begun: dict[int, PartAssembler]
    ) -> Iterator[pa.Table | None]:
        """Batches of rows, none across two parts; each part is begun before its first batch."""
        for part in parts:
            if part is None:
                yield None
                continue
            rows = rows_of(part)
            begun[part] = PartAssembler(rows, self._scheme)
            yield from batches_of(rows, self.batch_size)
