"""Times a stage: its work side by side in threads, on items again and again, its output checked."""

import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

_LEAST_S = 0.5
"""How long a stage is timed at least."""

Numbered: TypeAlias = Iterator[tuple[int, Any]]
Work: TypeAlias = Callable[[Numbered], Numbered]
"""What one thread does: takes numbered items, gives their outputs with the same numbers."""


@dataclass(frozen=True)
class Stage:
    """Work on items, of which some are in work side by side."""

    name: str
    items: Sequence[Any]
    cells: int
    """In all items together."""
    threads: int
    """CPU threads that it keeps busy in a run."""
    works: Callable[[], Sequence[Work]]
    """Makes the work of each thread, anew for every timing."""
    check: Callable[[list[Any], int], None]
    """Takes the last output of each item and the number of passes; raises EngineError."""
    part_of: str | None = None
    """The stage that contains it, if any."""


def one_by_one(function: Callable[[Any], Any]) -> Work:
    """Work that finishes an item before it takes the next."""
    return lambda numbered: ((number, function(item)) for number, item in numbered)


def in_flight(begin: Callable[[Any], Callable[[], Any]], depth: int) -> Work:
    """Work that keeps ``depth`` items in flight; ``begin`` gives what waits for an output."""

    def work(numbered: Numbered) -> Numbered:
        begun: deque[tuple[int, Callable[[], Any]]] = deque()
        for number, item in numbered:
            begun.append((number, begin(item)))
            if len(begun) == depth:
                first, finish = begun.popleft()
                yield first, finish()
        for number, finish in begun:
            yield number, finish()

    return work


def time_stage(stage: Stage, least_cells: int) -> float:
    """Seconds a cell, over at least so many cells and half a second."""
    passes = math.ceil(least_cells / stage.cells)
    while (elapsed_s := timed_passes(stage, passes)) < _LEAST_S:
        passes = math.ceil(passes * min(1.2 * _LEAST_S / elapsed_s, 100))
    return elapsed_s / (passes * stage.cells)


def timed_passes(stage: Stage, passes: int) -> float:
    """Seconds that so many passes over the items take; EngineError if the output is wrong."""
    elapsed_s, outputs = side_by_side(stage.works(), stage.items, passes)
    stage.check(outputs, passes)
    return elapsed_s


def side_by_side(
    works: Sequence[Work], items: Sequence[Any], passes: int
) -> tuple[float, list[Any]]:
    """Work through the items ``passes`` times, each work in a thread, taking whatever is next.

    Returns the seconds from the start to the last output, and the last output of each item (None
    where there was none). Raises what a work raises.
    """
    waiting = _Shared(itertools.chain.from_iterable(itertools.repeat(items, passes)))
    outputs: list[Any] = [None] * len(items)

    def work_through(work: Work) -> None:
        for number, output in work(waiting):
            outputs[number % len(items)] = output

    with ThreadPoolExecutor(len(works)) as pool:
        started = time.perf_counter()
        try:
            for done in [pool.submit(work_through, work) for work in works]:
                done.result()
        finally:
            waiting.end()
        return time.perf_counter() - started, outputs


class _Shared:
    """Numbered items, each for one of the threads that iterate over this."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items: Numbered = enumerate(items)
        self._lock = threading.Lock()

    def __iter__(self) -> Numbered:
        return self

    def __next__(self) -> tuple[int, Any]:
        with self._lock:
            return next(self._items)

    def end(self) -> None:
        """No thread gets a further item."""
        with self._lock:
            self._items = iter(())
