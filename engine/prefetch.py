"""Run the earlier stages of a chain in a thread of their own, a bounded distance ahead."""

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

Item = TypeVar("Item")

_POLL_S = 0.1


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


_END = object()


def prefetched(items: Iterable[Item], depth: int) -> Generator[Item]:
    """Yield ``items``, made by a thread that is at most ``depth`` finished items ahead.

    The thread blocks while the queue is full. An exception of ``items`` is raised here, after
    the items before it. Closing this generator ends the thread and closes ``items``.
    """
    ready: queue.Queue[object] = queue.Queue(maxsize=depth)
    closed = threading.Event()
    worker = threading.Thread(target=_produce, args=(items, ready, closed), daemon=True)
    worker.start()
    try:
        while (item := ready.get()) is not _END:
            if isinstance(item, _Failure):
                raise item.error
            yield item  # type: ignore[misc]
    finally:
        closed.set()
        worker.join()


def _produce(items: Iterable[Item], ready: "queue.Queue[object]", closed: threading.Event) -> None:
    source = iter(items)
    try:
        for item in source:
            if not _put(item, ready, closed):
                return
        _put(_END, ready, closed)
    except BaseException as error:
        _put(_Failure(error), ready, closed)
    finally:
        if hasattr(source, "close"):
            source.close()


def _put(item: object, ready: "queue.Queue[object]", closed: threading.Event) -> bool:
    """Wait for room; False when the consumer has gone."""
    while not closed.is_set():
        try:
            ready.put(item, timeout=_POLL_S)
        except queue.Full:
            continue
        return True
    return False
