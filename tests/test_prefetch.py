"""The thread between two stages: order, back-pressure, errors, and an early end."""

import threading
import time
from collections.abc import Iterator

import pytest

from bloodcell.engine.prefetch import prefetched


def test_items_come_in_order() -> None:
    assert list(prefetched(range(100), 2)) == list(range(100))


def test_the_thread_is_at_most_depth_items_ahead() -> None:
    made: list[int] = []

    def source() -> Iterator[int]:
        for item in range(50):
            made.append(item)
            yield item

    items = prefetched(source(), 2)
    next(items)
    time.sleep(0.3)
    # One taken, two waiting, one in the producer's hands.
    assert len(made) <= 4
    items.close()


def test_an_error_comes_after_the_items_before_it() -> None:
    def source() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("disk gone")

    items = prefetched(source(), 4)
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(OSError, match="disk gone"):
        next(items)


def test_closing_early_ends_the_thread_and_closes_the_source() -> None:
    closed = threading.Event()

    def source() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.set()

    before = threading.active_count()
    items = prefetched(source(), 2)
    next(items)
    items.close()
    assert closed.is_set()
    assert threading.active_count() == before
