"""Futures of cells as a stream of their results, so many ahead of what is taken."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

from bloodcell.errors import InputError
from bloodcell.live.cells import CellResult


def checked_cell(given: Any) -> tuple[Any, ...]:
    """What a stream is given of a cell; InputError if it is no tuple of that many."""
    if not isinstance(given, tuple | list) or not 2 <= len(given) <= 4:
        what = f"{len(given)} entries" if isinstance(given, tuple | list) else type(given).__name__
        raise InputError(
            f"a cell of a stream is a tuple (image, patient[, row[, deadline_s]]); {what} given"
        )
    return tuple(given)


def results_in_order(futures: Iterator[Future[CellResult]], at_once: int) -> Iterator[CellResult]:
    """In the order of ``futures``, of which ``at_once`` are ahead; closing cancels these."""
    ahead: deque[Future[CellResult]] = deque()
    try:
        for future in futures:
            ahead.append(future)
            while ahead and (len(ahead) >= at_once or ahead[0].done()):
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        for future in ahead:
            future.cancel()


def results_as_done(futures: Iterator[Future[CellResult]], at_once: int) -> Iterator[CellResult]:
    """The same as they are done."""
    done: SimpleQueue[Future[CellResult]] = SimpleQueue()
    ahead: set[Future[CellResult]] = set()
    try:
        for future in futures:
            ahead.add(future)
            future.add_done_callback(done.put)
            while len(ahead) >= at_once or not done.empty():
                finished = done.get()
                ahead.remove(finished)
                yield finished.result()
        while ahead:
            finished = done.get()
            ahead.remove(finished)
            yield finished.result()
    finally:
        for future in ahead:
            future.cancel()
