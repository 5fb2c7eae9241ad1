"""Ends a process in which decoding or the network hangs or fails. Reading may wait for a share."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bloodcell.engine.batches import Batch, ScoreBatch
from bloodcell.engine.lanes import Begun, Lane

_PATIENCE_S = 60.0
"""For a call: the first one loads kernels, and a machine may be short of memory for a while."""
_PATIENCE_PER_CELL_S = 1.0
"""Besides; thirty times what one core takes for a cell with the largest model."""


class Watchdog:
    """The kernel's alarm at the earliest time at which a watched call should have returned.

    The alarm ends the process by SIGALRM, whatever the call is doing and whatever it holds.
    ``give_up``: is given what a call raises, and ends the process too.
    """

    def __init__(self, give_up: Callable[[Exception], None]) -> None:
        self._give_up = give_up
        self._lock = threading.Lock()
        self._due_s: dict[int, float] = {}
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])

    @contextmanager
    def watching(self, cells: int) -> Iterator[None]:
        """Around one call of this thread that works on ``cells``."""
        thread = threading.get_ident()
        self._expect(thread, time.monotonic() + _PATIENCE_S + _PATIENCE_PER_CELL_S * cells)
        try:
            yield
        except Exception as error:
            self._give_up(error)
            raise
        finally:
            self._expect(thread, None)

    def _expect(self, thread: int, due_s: float | None) -> None:
        with self._lock:
            self._due_s.pop(thread, None)
            if due_s is not None:
                self._due_s[thread] = due_s
            left_s = min(self._due_s.values(), default=0.0) - time.monotonic()
            # 0 would be no alarm.
            signal.setitimer(signal.ITIMER_REAL, max(left_s, 1e-3) if self._due_s else 0.0)


@dataclass(frozen=True)
class WatchedLane:
    """A lane whose calls are watched."""

    lane: Lane
    watchdog: Watchdog

    @property
    def depth(self) -> int:
        """See ``Lane.depth``."""
        return self.lane.depth

    def begin(self, batch: Batch) -> "_WatchedBegun":
        """See ``Lane.begin``."""
        cells = len(batch.rows)
        with self.watchdog.watching(cells):
            return _WatchedBegun(self.lane.begin(batch), cells, self.watchdog)


@dataclass(frozen=True)
class _WatchedBegun:
    begun: Begun
    cells: int
    watchdog: Watchdog

    def finish(self) -> ScoreBatch:
        with self.watchdog.watching(self.cells):
            return self.begun.finish()
