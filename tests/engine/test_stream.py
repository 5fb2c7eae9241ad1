"""The loop over lanes, against lanes that finish late: every row once, bounded, and an end."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from helpers.simulated_device import SimulatedLane, batches

from bloodcell.engine.batches import EncodedBatch
from bloodcell.engine.stream import most_ahead, score_stream
from bloodcell.errors import EngineError


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("lanes", [1, 2, 5])
def test_every_row_comes_exactly_once_with_its_own_result(lanes: int, depth: int) -> None:
    devices = [SimulatedLane(depth, seed=number) for number in range(lanes)]
    scored = list(score_stream(batches(40), devices))
    rows = np.sort(np.concatenate([batch.rows for batch in scored]))
    np.testing.assert_array_equal(rows, np.arange(160))
    assert all((batch.probabilities == batch.rows[0]).all() for batch in scored)


def test_a_lane_that_is_slow_leaves_its_share_to_the_others() -> None:
    fast, slow = SimulatedLane(2, delay_s=0.0), SimulatedLane(2, delay_s=0.5)
    scored = list(score_stream(batches(60), [slow, fast]))
    assert len(scored) == 60
    assert fast.scored > 3 * slow.scored


def test_a_lane_is_kept_full_but_never_fuller() -> None:
    lane = SimulatedLane(3)
    assert len(list(score_stream(batches(30), [lane]))) == 30
    assert lane.most_in_flight == 3


def test_reading_is_a_bounded_distance_ahead_of_a_consumer_that_rests() -> None:
    made: list[int] = []

    def counted() -> Iterator[EncodedBatch]:
        for batch in batches(100):
            made.append(int(batch.rows[0]))
            yield batch

    lanes = [SimulatedLane(2), SimulatedLane(2)]
    stream = score_stream(counted(), lanes)
    next(stream)
    time.sleep(0.3)
    # Taken 1; waiting to be taken 4; with each lane 2; waiting to be begun 3; in the reader's
    # hands 1.
    assert len(made) <= 1 + 4 + 2 * 2 + 3 + 1
    stream.close()


@pytest.mark.parametrize("pause_s", [0.0, 0.02])
@pytest.mark.parametrize(("lanes", "depth"), [(1, 1), (2, 1), (1, 3), (2, 3)])
def test_so_many_batches_are_taken_while_nobody_receives(
    lanes: int, depth: int, pause_s: float
) -> None:
    devices = [SimulatedLane(depth) for _ in range(lanes)]
    asked_for_more = threading.Event()

    def just_so_many() -> Iterator[EncodedBatch]:
        for batch in batches(1 + most_ahead(devices)):
            # In a pause the lanes finish all they have, and then hold one batch each, not all
            # that they could: it must not depend on that.
            time.sleep(pause_s)
            yield batch
        asked_for_more.set()
        yield from batches(1)

    stream = score_stream(just_so_many(), devices)
    next(stream)
    assert asked_for_more.wait(10)
    stream.close()


def test_what_is_done_does_not_wait_for_a_source_that_has_nothing_to_give() -> None:
    go_on = threading.Event()

    def halting() -> Iterator[EncodedBatch]:
        yield from batches(2)
        go_on.wait(10)

    stream = score_stream(halting(), [SimulatedLane(3)])
    # Would block until the source ends if the lane waited to be full.
    assert [int(next(stream).rows[0]) for _ in range(2)] == [0, 4]
    go_on.set()
    assert list(stream) == []


def test_a_lane_that_fails_ends_the_stream_and_all_threads() -> None:
    before = set(threading.enumerate())
    lanes = [SimulatedLane(2, fails_at=81), SimulatedLane(2, fails_at=81, seed=1)]
    with pytest.raises(EngineError, match="the device is gone"):
        list(score_stream(batches(1000), lanes))
    assert_no_thread_left_since(before)


def test_a_source_that_fails_ends_the_stream() -> None:
    def failing() -> Iterator[EncodedBatch]:
        yield from batches(3)
        raise EngineError("too many open files")

    with pytest.raises(EngineError, match="too many open files"):
        list(score_stream(failing(), [SimulatedLane(2), SimulatedLane(2)]))


def test_closing_early_ends_all_threads_and_closes_the_source() -> None:
    closed = threading.Event()

    def endless() -> Iterator[EncodedBatch]:
        try:
            while True:
                yield from batches(1)
        finally:
            closed.set()

    before = set(threading.enumerate())
    stream = score_stream(endless(), [SimulatedLane(2), SimulatedLane(3)])
    next(stream)
    stream.close()
    assert closed.is_set()
    assert_no_thread_left_since(before)


def assert_no_thread_left_since(before: set[threading.Thread]) -> None:
    """Waits for the simulation's timers, which may still be running down."""
    deadline = time.monotonic() + 5
    while (left := set(threading.enumerate()) - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left
