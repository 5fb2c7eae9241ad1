"""Which row ends workers: what a lost one had is tried again row by row, each alone."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator

import pyarrow as pa

from bloodcell.engine.source import batches_of
from bloodcell.engine.worker_process import WorkerProcess

_ENDED_TO_BE_BLAMED = 2
"""Workers that a row must end, alone with it and given nothing before: one may have been killed
by a person or for want of memory, or an earlier image may have left it damaged."""


class Waiting:
    """Tables that no worker has: single rows under suspicion first, then what is still to come."""

    def __init__(self, tables: Iterable[pa.Table | None]) -> None:
        self._tables = iter(tables)
        self._suspects: deque[pa.Table] = deque()
        self._suspected: set[int] = set()
        self._ended: Counter[int] = Counter()
        self._blamed: deque[pa.Table] = deque()

    def take(self, worker: WorkerProcess) -> pa.Table | None:
        """What ``worker`` is to have next; None for nothing now."""
        if not self._suspects:
            return next(self._tables, None)
        return None if worker.tables else self._suspects.popleft()

    def is_suspect(self, table: pa.Table) -> bool:
        """Whether ``table`` must be alone with a worker."""
        return _row(table) in self._suspected

    def suspect(self, lost: WorkerProcess) -> None:
        """Take back what the worker had; blame a row that has ended enough of them by itself."""
        if lost.is_alone and lost.tables:
            # A machine without memory ends workers whatever they have.
            counts = lost.tables_sent == 1 and not lost.lacked_memory
            self._suspect_alone(*lost.tables.values(), counts=counts)
            return
        for table in lost.tables.values():
            self._suspects.extend(batches_of(table, 1))
            self._suspected.update(table["row"].to_pylist())

    def newly_blamed(self) -> Iterator[pa.Table]:
        """Rows that are blamed, each once, as tables of one."""
        while self._blamed:
            yield self._blamed.popleft()

    def _suspect_alone(self, table: pa.Table, *, counts: bool) -> None:
        row = _row(table)
        self._ended[row] += counts
        if self._ended[row] < _ENDED_TO_BE_BLAMED:
            # Next in line, so that the worker that is now started has had nothing before.
            self._suspects.appendleft(table)
        else:
            self._blamed.append(table)


def _row(table: pa.Table) -> int:
    return int(table["row"][0].as_py())
