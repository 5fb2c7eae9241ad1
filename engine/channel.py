"""What joins two stages that run in threads: a bounded queue with two ends that can be closed."""

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Channel(Generic[Item]):
    """Items from any number of threads to any number of threads, each to exactly one of them.

    ``capacity``: items that may wait; a sender blocks while so many do.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._abandoned = False
        self._error: BaseException | None = None

    def put(self, item: Item) -> bool:
        """Send; blocks while the channel is full. False, and nothing sent, once nobody receives."""
        with self._changed:
            self._changed.wait_for(lambda: self._abandoned or len(self._items) < self._capacity)
            if not self._abandoned:
                self._items.append(item)
                self._changed.notify_all()
            return not self._abandoned

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more will be sent; ``error`` is raised by receivers after what was sent."""
        with self._changed:
            self._ended = True
            self._error = self._error or error
            self._changed.notify_all()

    def abandon(self) -> None:
        """Nobody receives any more: drops what waits and lets senders go."""
        with self._changed:
            self._abandoned = True
            self._items.clear()
            self._changed.notify_all()

    def is_idle(self) -> bool:
        """Whether receiving would block now."""
        with self._changed:
            return not (self._items or self._ended or self._abandoned)

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        """Receive; blocks while the channel is empty and may yet be sent something."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._ended or self._abandoned)
            if self._items:
                item = self._items.popleft()
                self._changed.notify_all()
                return item
            if self._error is not None:
                raise self._error
            raise StopIteration
