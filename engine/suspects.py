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
        self._youngest_scored = -1
        """When the last started of the workers that scored something was started."""
        self._lacked_memory: dict[int, int] = {}
        """By row: when the worker was started that it ended first for want of memory."""
        self._postponed: deque[pa.Table] = deque()
        """Such rows, until a worker that was started later has scored something else."""

    def scored(self, worker: WorkerProcess) -> None:
        """A table of ``worker`` came back: there was memory for it when it was started."""
        self._youngest_scored = max(self._youngest_scored, worker.born)
        for table in list(self._postponed):
            if self._lacked_memory[_row(table)] < self._youngest_scored:
                self._postponed.remove(table)
                self._suspects.append(table)

    def take(self, worker: WorkerProcess) -> pa.Table | None:
        """What ``worker`` is to have next; None for nothing now."""
        if not self._suspects:
            table = next(self._tables, None)
            if table is not None or not self._postponed:
                return table
            self._suspects.append(self._postponed.popleft())
        return None if worker.tables else self._suspects.popleft()

    def is_suspect(self, table: pa.Table) -> bool:
        """Whether ``table`` must be alone with a worker."""
        return _row(table) in self._suspected

    def suspect(self, lost: WorkerProcess) -> bool:
        """Take back what the worker had; blame a row that has ended enough of them by itself.

        Returns whether it was lost for want of memory, which is held against no row.
        """
        if lost.is_alone and lost.tables:
            (table,) = lost.tables.values()
            if lost.lacked_memory and self._may_lack_whatever_it_has(_row(table), lost):
                self._postponed.append(table)
                return True
            self._suspect_alone(table, was_first=lost.tables_sent == 1)
            return False
        for table in lost.tables.values():
            self._suspects.extend(batches_of(table, 1))
            self._suspected.update(table["row"].to_pylist())
        return lost.lacked_memory

    def _may_lack_whatever_it_has(self, row: int, lost: WorkerProcess) -> bool:
        return self._lacked_memory.setdefault(row, lost.born) >= self._youngest_scored

    def newly_blamed(self) -> Iterator[pa.Table]:
        """Rows that are blamed, each once, as tables of one."""
        while self._blamed:
            yield self._blamed.popleft()

    def _suspect_alone(self, table: pa.Table, *, was_first: bool) -> None:
        row = _row(table)
        self._ended[row] += was_first
        if self._ended[row] < _ENDED_TO_BE_BLAMED:
            # Next in line, so that the worker that is now started has had nothing before.
            self._suspects.appendleft(table)
        else:
            self._blamed.append(table)


def _row(table: pa.Table) -> int:
    return int(table["row"][0].as_py())
