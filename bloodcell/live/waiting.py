"""Cells that wait for a lane, in bounded number, and which of them make the next batch."""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from bloodcell.engine.batches import Batch
from bloodcell.errors import EngineError
from bloodcell.live.cells import Cell, CellResult
from bloodcell.live.images import Kind, batch_of


@dataclass(frozen=True)
class Limits:
    """How many cells, and how long."""

    batch_size: int
    """Most cells of a batch."""
    pass_cells: int
    """See ``Backend.pass_cells``: for so many no cell waits any longer."""
    max_delay_s: float
    """The longest that a cell waits for others while a lane is free."""
    max_waiting: int
    """Cells that may wait."""


class Waiting:
    """Takes cells from any thread; lanes take batches of it (``Supply``).

    A batch is of one kind of image. It is made when the network's next pass can be filled or when
    its oldest cell has waited its time, and takes what then waits, shared among the free lanes.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waiting: dict[Kind, OrderedDict[int, Cell]] = {}
        self._with_lanes: dict[int, Cell] = {}
        self._count = self._submitted = self._free_lanes = 0
        self._is_closed = False
        self._lock = threading.Lock()
        self._room, self._work = threading.Condition(self._lock), threading.Condition(self._lock)

    def put(self, cell: Cell, *, block: bool) -> bool:
        """Let a cell wait; False if there is no room for it, with ``block`` until it is due.

        Raises EngineError once this is closed.
        """
        assert cell.image is not None
        with self._lock:
            if block:
                left_s = None if cell.due_s is None else cell.due_s - time.monotonic()
                self._room.wait_for(lambda: self._is_closed or self._has_room(), left_s)
            if self._is_closed:
                raise EngineError("the engine is closed: open another one")
            cell.number = self._submitted
            if cell.row is None:
                cell.row = cell.number
            self._submitted += 1
            if not self._has_room():
                return False
            self._waiting.setdefault(cell.image.kind, OrderedDict())[cell.number] = cell
            self._count += 1
            self._work.notify()
            return True

    def remove(self, number: int) -> Cell | None:
        """Take a cell away from wherever it is; it is then the caller's to settle.

        None if it has its result, was taken away before, or is cancelled.
        """
        with self._lock:
            for cells in self._waiting.values():
                if number in cells:
                    self._make_room(1)
                    claimed = _claimed([cells.pop(number)])
                    return claimed[0] if claimed else None
            return self._with_lanes.pop(number, None)

    def returned(self, numbers: npt.NDArray[np.int64]) -> list[Cell | None]:
        """The cells of a batch that a lane has scored; None for what was taken away meanwhile."""
        with self._lock:
            return [self._with_lanes.pop(number, None) for number in numbers.tolist()]

    def close(self) -> None:
        """Take no more cells; the lanes end when they have taken those that wait."""
        with self._lock:
            self._is_closed = True
            self._room.notify_all()
            self._work.notify_all()

    def clear(self) -> list[Cell]:
        """Take all cells away, from lanes too; see ``remove``."""
        with self._lock:
            cells = list(self._with_lanes.values())
            for waiting in self._waiting.values():
                cells += _claimed(list(waiting.values()))
                waiting.clear()
            self._with_lanes.clear()
            self._make_room(self._count)
            return cells

    def futures(self) -> list[Future[CellResult]]:
        """Of the cells that no lane has taken."""
        with self._lock:
            return [cell.future for cells in self._waiting.values() for cell in cells.values()]

    def __len__(self) -> int:
        with self._lock:
            return self._count

    def is_idle(self) -> bool:
        """See ``Supply.is_idle``."""
        with self._lock:
            return self._due_kind(time.monotonic()) is None and not self._is_at_end()

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        """The next batch, once it is due; ends when this is closed and no cell waits."""
        cells: list[Cell] = []
        while not cells:
            kind, cells = self._taken()
        images = [cell.image.content for cell in cells if cell.image]
        for cell in cells:
            cell.image = None
        return batch_of(kind, images, np.array([cell.number for cell in cells], np.int64))

    def _taken(self) -> tuple[Kind, list[Cell]]:
        with self._lock:
            self._free_lanes += 1
            try:
                while (kind := self._due_kind(time.monotonic())) is None:
                    if self._is_at_end():
                        raise StopIteration
                    self._work.wait(self._due_in_s(time.monotonic()))
                cells = self._share_of(kind)
            finally:
                self._free_lanes -= 1
            if self._count:
                self._work.notify()  # what is left may be due as well, and this lane is busy
            return kind, cells

    def _share_of(self, kind: Kind) -> list[Cell]:
        """A free lane's share of what waits; without those that are cancelled in this moment."""
        waiting, limits = self._waiting[kind], self._limits
        passes = -(-len(waiting) // (self._free_lanes * limits.pass_cells))
        count = min(len(waiting), limits.batch_size, passes * limits.pass_cells)
        cells: list[Cell] = []
        # One by one: what ends a lane here must find each cell in one place or the other.
        for cell in list(islice(waiting.values(), count)):
            claimed = _claimed([cell])
            self._with_lanes |= {one.number: one for one in claimed}
            del waiting[cell.number]
            self._make_room(1)
            cells += claimed
        return cells

    def _due_kind(self, now_s: float) -> Kind | None:
        """Of which kind a batch is to be made now, first that of the oldest cell."""
        kinds = sorted((next(iter(cells)), kind) for kind, cells in self._waiting.items() if cells)
        for oldest, kind in kinds:
            cells = self._waiting[kind]
            waited_s = now_s - cells[oldest].submitted_s
            if (
                self._is_closed
                or len(cells) >= self._enough
                or waited_s >= self._limits.max_delay_s
            ):
                return kind
        return None

    @property
    def _enough(self) -> int:
        return min(self._limits.pass_cells, self._limits.batch_size, self._limits.max_waiting)

    def _due_in_s(self, now_s: float) -> float | None:
        oldest = [next(iter(cells.values())) for cells in self._waiting.values() if cells]
        if not oldest:
            return None
        return min(cell.submitted_s for cell in oldest) + self._limits.max_delay_s - now_s

    def _is_at_end(self) -> bool:
        return self._is_closed and self._count == 0

    def _has_room(self) -> bool:
        return self._count < self._limits.max_waiting

    def _make_room(self, cells: int) -> None:
        self._count -= cells
        self._room.notify(cells)


def _claimed(cells: list[Cell]) -> list[Cell]:
    """Those of ``cells`` that nobody can cancel any more; the cancelled ones are settled."""
    claimed = []
    for cell in cells:
        if _is_claimed(cell.future):
            claimed.append(cell)
        else:
            cell.patient.settle()
    return claimed


def _is_claimed(future: Future[CellResult]) -> bool:
    # A user may have set it, which is theirs to do; the cell is counted like any other. Asked
    # first, for the library reports such a future as a critical error.
    if future.running() or (future.done() and not future.cancelled()):
        return True
    try:
        return future.set_running_or_notify_cancel()
    except InvalidStateError:  # set in between
        return True
