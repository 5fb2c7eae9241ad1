"""The loop, one for all devices: batches of images in, scored ones out, lanes side by side."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Protocol

from bloodcell.engine.batches import Batch, EncodedBatch, ScoreBatch
from bloodcell.engine.channel import Channel
from bloodcell.engine.lanes import Begun, Lane


class Supply(Protocol):
    """What lanes take their batches from; a ``Channel`` is one."""

    def __iter__(self) -> Iterator[Batch]:
        """Itself."""

    def __next__(self) -> Batch:
        """A batch, each to one lane; blocks while there is none."""

    def is_idle(self) -> bool:
        """Whether the next one would have to be waited for."""


class Outlet(Protocol):
    """What lanes give their scored batches to; a ``Channel`` is one."""

    def put(self, item: ScoreBatch) -> bool:
        """Take a batch; False once nobody wants any more."""

    def end(self, error: BaseException | None = None) -> None:
        """A lane has failed."""


def score_stream(encoded: Iterable[EncodedBatch], lanes: Sequence[Lane]) -> Generator[ScoreBatch]:
    """Score every batch on whichever lane is free, in threads; they come back in any order.

    One thread reads ahead, by one batch a lane and one more. Each lane has a thread, which has at
    most ``lane.depth`` batches in flight. As many scored batches as can be in flight wait to be
    taken, so memory does not grow with the number of cells. Raises what ``encoded`` or a lane
    raises; closing the generator ends the threads and closes ``encoded``.
    """
    read: Channel[EncodedBatch] = Channel(_waiting_to_begin(lanes))
    scored: Channel[ScoreBatch] = Channel(_most_in_flight(lanes))
    at_work = _Countdown(len(lanes), scored.end)
    threads = [threading.Thread(target=_read, args=(encoded, read), daemon=True)]
    threads += [
        threading.Thread(target=_work, args=(read, lane, scored, at_work), daemon=True)
        for lane in lanes
    ]
    for thread in threads:
        thread.start()
    try:
        yield from scored
    finally:
        read.abandon()
        scored.abandon()
        for thread in threads:
            thread.join()


def most_ahead(lanes: Sequence[Lane]) -> int:
    """Batches that ``score_stream`` takes from its source before one must be taken from it.

    In flight or, where a lane has finished all it had, waiting to be taken; waiting to begin; and
    in the reader's hands.
    """
    return _most_in_flight(lanes) + _waiting_to_begin(lanes) + 1


def _most_in_flight(lanes: Sequence[Lane]) -> int:
    return sum(lane.depth for lane in lanes)


def _waiting_to_begin(lanes: Sequence[Lane]) -> int:
    return len(lanes) + 1


class _Countdown:
    """Calls ``then`` when it has been counted down ``count`` times."""

    def __init__(self, count: int, then: Callable[[], None]) -> None:
        self._count, self._then, self._lock = count, then, threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self._count -= 1
            if self._count == 0:
                self._then()


def _read(encoded: Iterable[EncodedBatch], read: Channel[EncodedBatch]) -> None:
    source = iter(encoded)
    try:
        for batch in source:
            if not read.put(batch):
                break
        read.end()
    except BaseException as error:
        read.end(error)
    finally:
        if hasattr(source, "close"):
            source.close()


def _work(
    read: Channel[EncodedBatch], lane: Lane, scored: Channel[ScoreBatch], at_work: _Countdown
) -> None:
    run_lane(read, lane, scored)
    at_work()


def run_lane(supply: Supply, lane: Lane, scored: Outlet) -> None:
    """Score what ``supply`` gives on ``lane`` until it ends; for a thread of the lane's own."""
    in_flight: deque[Begun] = deque()
    try:
        for batch in supply:
            in_flight.append(lane.begin(batch))
            # What is done must not wait for a source that has nothing to give.
            while in_flight and (len(in_flight) == lane.depth or supply.is_idle()):
                if not scored.put(in_flight.popleft().finish()):
                    return
        for begun in in_flight:
            scored.put(begun.finish())
    except BaseException as error:
        scored.end(error)
