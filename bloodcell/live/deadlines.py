"""Who has waited too long: a thread that wakes at the next deadline."""

import heapq
import threading
import time
from collections.abc import Callable


class Deadlines:
    """Calls ``missed`` with a cell's number when its deadline has passed, in a thread of its own.

    A cell that has its result by then is told of as well; whoever is told knows.
    """

    def __init__(self, missed: Callable[[int], None]) -> None:
        self._missed = missed
        self._heap: list[tuple[float, int]] = []
        self._changed = threading.Condition()
        self._is_closed = False
        self.thread = threading.Thread(target=self._run, name="bloodcell-deadlines", daemon=True)
        self.thread.start()

    def add(self, due_s: float, number: int) -> None:
        """Watch a cell; ``due_s`` as ``time.monotonic`` tells it."""
        with self._changed:
            heapq.heappush(self._heap, (due_s, number))
            if self._heap[0][1] == number:
                self._changed.notify()

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
                if left_s is not None and left_s <= 0:
                    return heapq.heappop(self._heap)[1]
                self._changed.wait(left_s)
        return None
