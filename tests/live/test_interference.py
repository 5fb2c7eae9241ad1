"""A caller who settles futures himself, an interrupted ``finish``, an error among waiting cells."""

import threading
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
from helpers.live_cells import HeldLane

import bloodcell
from bloodcell.live.patients import OpenPatient

IMAGE = np.zeros((16, 16, 3), np.uint8)


def is_set(future: Future[Any]) -> None:
    future.set_result("mine")


def fails(future: Future[Any]) -> None:
    future.set_exception(TimeoutError())


def runs(future: Future[Any]) -> None:
    future.set_running_or_notify_cancel()


@pytest.mark.parametrize("settle", [is_set, fails, runs])
def test_a_future_that_its_caller_settles_is_his_and_the_cell_counts(
    lane: HeldLane, settle: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with bloodcell.Engine(backend="onnxruntime") as engine:
        engine.submit(IMAGE, patient="A")
        assert lane.taken.acquire(timeout=20)
        futures = [engine.submit(IMAGE, patient="A", deadline_s=1000) for _ in range(3)]
        settle(futures[1])
        lane.go.set()
        for future in (futures[0], futures[2]):
            assert future.result(20).status == "scored"
        assert engine.finish("A")["scored"] == 4
        assert settle is runs or futures[1].exception() or futures[1].result() == "mine"
        assert engine.submit(IMAGE, patient="B").result(20).status == "scored"
    assert caplog.text == ""


def test_an_error_among_cells_that_a_lane_takes_is_told_to_all(
    lane: HeldLane, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = bloodcell.Engine(backend="onnxruntime")
    futures = [engine.submit(IMAGE, patient="A")]
    assert lane.taken.acquire(timeout=20)
    futures += [engine.submit(IMAGE, patient="A") for _ in range(5)]

    def exhausted(*_arguments: object) -> bool:
        monkeypatch.undo()
        raise MemoryError("no memory")

    monkeypatch.setattr(futures[2], "set_running_or_notify_cancel", exhausted)
    lane.go.set()
    for future in futures[1:]:
        with pytest.raises(bloodcell.EngineError, match="has failed: no memory"):
            future.result(20)
    with pytest.raises(bloodcell.EngineError, match="no memory"):
        engine.finish("A")
    engine.close()


def test_a_finish_that_was_interrupted_can_be_asked_for_again(
    lane: HeldLane, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_patient: OpenPatient) -> None:
        raise KeyboardInterrupt

    with bloodcell.Engine(backend="onnxruntime") as engine:
        engine.submit(IMAGE, patient="A")
        with monkeypatch.context() as patched:
            patched.setattr(OpenPatient, "wait", interrupted)
            with pytest.raises(KeyboardInterrupt):
                engine.finish("A")
        assert engine.snapshot("A")["cells"] == 0
        engine.submit(IMAGE, patient="A")
        threading.Timer(0.1, lane.go.set).start()
        assert engine.finish("A")["cells"] == 2
        with pytest.raises(bloodcell.InputError, match="is finished"):
            engine.finish("A")
