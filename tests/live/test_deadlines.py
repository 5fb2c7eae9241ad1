"""Deadlines of any length, and what is kept of them."""

import time
from queue import SimpleQueue

import numpy as np
import pytest
from helpers.live_cells import HeldLane

import bloodcell
from bloodcell.live.deadlines import Deadlines

IMAGE = np.zeros((16, 16, 3), np.uint8)


def test_a_very_long_deadline_takes_none_from_the_others(lane: HeldLane) -> None:
    with bloodcell.Engine(backend="onnxruntime", max_waiting=2) as engine:
        endless = engine.submit(IMAGE, patient="A", deadline_s=1e300)
        assert lane.taken.acquire(timeout=20)
        time.sleep(0.1)  # the thread that watches begins to wait for it
        short = engine.submit(IMAGE, patient="A", deadline_s=0.05)
        assert short.result(20).status == "expired"
        lane.go.set()
        assert endless.result(20).status == "scored"


def test_a_very_long_deadline_waits_for_room(lane: HeldLane) -> None:
    with bloodcell.Engine(backend="onnxruntime", max_waiting=1, max_delay_ms=1e300) as engine:
        lane.go.set()
        futures = [engine.submit(IMAGE, patient="A", deadline_s=1e300) for _ in range(20)]
        assert {future.result(20).status for future in futures} == {"scored"}


@pytest.mark.parametrize("seconds", [np.float32(0.05), np.float64(0.05), np.int64(0)])
def test_deadlines_may_be_numbers_of_numpy(lane: HeldLane, seconds: object) -> None:
    with bloodcell.Engine(backend="onnxruntime") as engine:
        late = engine.submit(IMAGE, patient="A", deadline_s=seconds)  # type: ignore[arg-type]
        assert late.result(20).status == "expired"
        lane.go.set()


def test_cells_that_have_their_result_leave_no_deadline(lane: HeldLane) -> None:
    lane.go.set()
    with bloodcell.Engine(backend="onnxruntime") as engine:
        for _ in range(500):
            engine.submit(IMAGE, patient="A", deadline_s=3600).result(20)
        assert len(engine._deadlines) < 100


def test_what_is_left_out_of_the_deadlines_is_not_told() -> None:
    missed = SimpleQueue[int]()
    deadlines = Deadlines(missed.put)
    due_s = time.monotonic() + 2
    for number in range(1000):
        deadlines.add(due_s, number)
    for number in range(999):
        deadlines.remove(number)
    assert len(deadlines) < 100
    assert missed.get(timeout=20) == 999
    deadlines.close()
    assert missed.empty()
