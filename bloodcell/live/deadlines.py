"""Who has waited too long: a thread that wakes at the next deadline."""

import heapq
import threading
import time
from collections.abc import Callable

_LEAST_CLEARED = 64
"""Entries that nobody watches any more are left until there are more than so many."""


class Deadlines:
    """Calls ``missed`` with a cell's number when its deadline has passed, in a thread of its own.

    A cell that gets its result at that moment may be told of as well; whoever is told knows.
    """

    def __init__(self, missed: Callable[[int], None]) -> None:
        self._missed = missed
        self._heap: list[tuple[float, int]] = []
        self._watched: set[int] = set()
        self._changed = threading.Condition()
        self._is_closed = False
        self.thread = threading.Thread(target=self._run, name="bloodcell-deadlines", daemon=True)
        self.thread.start()

    def __len__(self) -> int:
        """Entries in memory."""
        with self._changed:
            return len(self._heap)

    def add(self, due_s: float, number: int) -> None:
        """Watch a cell; ``due_s`` as ``time.monotonic`` tells it, a wait that the system takes."""
        with self._changed:
            self._watched.add(number)
            heapq.heappush(self._heap, (due_s, number))
            if self._heap[0][1] == number:
                self._changed.notify()

    def remove(self, number: int) -> None:
        """Watch a cell no more, for it has its end."""
        with self._changed:
            self._watched.discard(number)
            if len(self._heap) > 2 * len(self._watched) + _LEAST_CLEARED:
                self._heap = [entry for entry in self._heap if entry[1] in self._watched]
                heapq.heapify(self._heap)

    def close(self) -> None:
        """End the thread, which is no more told of."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self.thread.join()

    def _run(self) -> None:
        while (number := self._next()) is not None:
            self._missed(number)

    def _next(self) -> int | None:
        with self._changed:
            while not self._is_closed:
                left_s = self._heap[0][0] - time.monotonic() if self._heap else None
                if left_s is None or left_s > 0:
                    self._changed.wait(left_s)
                    continue
                number = heapq.heappop(self._heap)[1]
                if number in self._watched:
                    self._watched.remove(number)
                    return number
        return None
