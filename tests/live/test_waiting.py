"""Which cells make a batch, who waits for room, and what ends a cell before it is scored."""

import threading
import time
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from typing import NoReturn

import numpy as np
import pytest
from helpers.live_cells import HeldLane, held_lanes
from helpers.until import until

import bloodcell
from bloodcell.live import engine as live_engine

IMAGE = np.zeros((16, 16, 3), np.uint8)
LONG_MS = 3_600_000.0


def opened(**options: object) -> bloodcell.Engine:
    return bloodcell.Engine(backend="onnxruntime", **options)


def test_a_free_lane_takes_what_waits(lane: HeldLane) -> None:
    with opened(max_delay_ms=LONG_MS) as engine:
        futures = [engine.submit(IMAGE, patient="A")]
        assert lane.taken.acquire(timeout=20)
        futures += [engine.submit(IMAGE, patient="A") for _ in range(6)]
        lane.go.set()
        assert [future.result(20).row for future in futures] == list(range(7))
    assert lane.sizes == [1, 4, 2]


def test_a_cell_whose_submission_was_interrupted_is_not_waited_for(lane: HeldLane) -> None:
    with opened(max_waiting=1) as engine:
        first = engine.submit(IMAGE, patient="A")
        assert lane.taken.acquire(timeout=20)
        second = engine.submit(IMAGE, patient="A")

        def interrupted(*_: object, **__: object) -> NoReturn:
            raise KeyboardInterrupt

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine._waiting, "put", interrupted)
            with pytest.raises(KeyboardInterrupt):
                engine.submit(IMAGE, patient="A")
        lane.go.set()
        assert {first.result(20).status, second.result(20).status} == {"scored"}
        finished = ThreadPoolExecutor(1).submit(engine.finish, "A")
        assert finished.result(20)["cells"] == 2


def test_cells_wait_for_a_whole_pass_where_fewer_take_as_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lane = HeldLane()
    lane.go.set()
    monkeypatch.setattr(live_engine, "open_lanes", held_lanes(lane, batch_size=8, pass_cells=3))
    with opened(max_delay_ms=LONG_MS) as engine:
        futures = [engine.submit(IMAGE, patient="A") for _ in range(2)]
        assert not wait(futures, 0.2).done
        futures += [engine.submit(IMAGE, patient="A") for _ in range(1)]
        assert len(wait(futures, 20).done) == 3
        last = engine.submit(IMAGE, patient="A")
    # Closing waits for nobody.
    assert last.result().status == "scored"
    assert lane.sizes == [3, 1]


def test_no_cell_waits_longer_for_others_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    lane = HeldLane()
    lane.go.set()
    monkeypatch.setattr(live_engine, "open_lanes", held_lanes(lane, pass_cells=4))
    with opened(max_delay_ms=1.0) as engine:
        assert engine.submit(IMAGE, patient="A").result(20).status == "scored"


def test_free_lanes_share_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    lanes = HeldLane(), HeldLane()
    monkeypatch.setattr(live_engine, "open_lanes", held_lanes(*lanes, batch_size=8, pass_cells=4))
    with opened(max_delay_ms=LONG_MS) as engine:
        until(lambda: engine._waiting._free_lanes == 2)
        futures = [engine.submit(IMAGE, patient="A") for _ in range(8)]
        assert all(lane.taken.acquire(timeout=20) for lane in lanes)
        for lane in lanes:
            lane.go.set()
        wait(futures, 20)
    assert [lane.sizes for lane in lanes] == [[4], [4]]


def test_encoded_and_decoded_images_make_batches_of_their_own_the_oldest_first(
    lane: HeldLane,
) -> None:
    with opened() as engine:
        engine.submit(IMAGE, patient="A")
        assert lane.taken.acquire(timeout=20)
        for image in (b"1", IMAGE, b"2", IMAGE, IMAGE):
            engine.submit(image, patient="A")
        lane.go.set()
    assert lane.sizes == [1, 2, 3]


def test_a_full_engine_refuses(lane: HeldLane) -> None:
    with opened(max_waiting=2, when_full="refuse") as engine:
        futures = [engine.submit(IMAGE, patient="A")]
        assert lane.taken.acquire(timeout=20)
        futures += [engine.submit(IMAGE, patient="A") for _ in range(2)]
        assert engine.waiting == engine.max_waiting == 2
        with pytest.raises(bloodcell.BusyError, match="2 cells wait"):
            engine.submit(IMAGE, patient="A")
        assert futures[1].cancel()
        futures.append(engine.submit(IMAGE, patient="A"))
        lane.go.set()
        assert engine.finish("A")["scored"] == 3


def test_a_full_engine_blocks_until_there_is_room(lane: HeldLane) -> None:
    with opened(max_waiting=1) as engine:
        engine.submit(IMAGE, patient="A")
        assert lane.taken.acquire(timeout=20)
        engine.submit(IMAGE, patient="A")
        thread = threading.Thread(target=engine.submit, args=(IMAGE,), kwargs={"patient": "A"})
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        lane.go.set()
        thread.join(20)
        assert engine.finish("A")["scored"] == 3


def test_a_cell_that_finds_no_room_by_its_deadline_has_expired(lane: HeldLane) -> None:
    with opened(max_waiting=1) as engine:
        engine.submit(IMAGE, patient="A")
        assert lane.taken.acquire(timeout=20)
        engine.submit(IMAGE, patient="A")
        late = engine.submit(IMAGE, patient="A", row=7, deadline_s=0.05)
        assert (late.result(0).status, late.result(0).row) == ("expired", 7)
        lane.go.set()


def test_a_missed_deadline_is_told_at_once_and_the_cell_not_counted(lane: HeldLane) -> None:
    with opened() as engine:
        with_lane = engine.submit(IMAGE, patient="A", deadline_s=2)
        assert lane.taken.acquire(timeout=20)
        waiting = engine.submit(IMAGE, patient="A", deadline_s=0.05)
        in_time = engine.submit(IMAGE, patient="A", deadline_s=100)
        # The lane is held all the while.
        for late in (waiting, with_lane):
            result = late.result(20)
            assert (result.status, result.probabilities, result.digest) == ("expired", None, None)
        assert not in_time.done()
        lane.go.set()
        assert in_time.result(20).status == "scored"
        statistics = engine.finish("A")
        assert (statistics["cells"], statistics["scored"]) == (1, 1)


def test_a_late_result_is_not_given_though_nobody_was_told(
    lane: HeldLane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bloodcell.live.deadlines.Deadlines.add", lambda *_: None)
    with opened() as engine:
        late = engine.submit(IMAGE, patient="A", deadline_s=0.05)
        assert lane.taken.acquire(timeout=20)
        time.sleep(0.1)
        lane.go.set()
        assert late.result(20).status == "expired"
        assert engine.finish("A")["cells"] == 0


def test_what_no_lane_has_taken_can_be_cancelled(lane: HeldLane) -> None:
    with opened() as engine:
        taken = engine.submit(IMAGE, patient="A")
        assert lane.taken.acquire(timeout=20)
        waiting = [engine.submit(IMAGE, patient="A") for _ in range(3)]
        assert not taken.cancel()
        assert waiting[1].cancel()
        # ``wait`` is told of it, as by any executor.
        assert waiting[1] in wait(waiting, 20, "FIRST_COMPLETED").done
        assert engine.waiting == 2
        lane.go.set()
        with pytest.raises(CancelledError):
            waiting[1].result()
        assert engine.finish("A")["cells"] == 3
    assert lane.sizes == [1, 2]


def test_a_callback_is_never_made_to_wait_for_itself(lane: HeldLane) -> None:
    said: list[str] = []
    with opened(max_waiting=1) as engine:

        def again(_future: object) -> None:
            with pytest.raises(bloodcell.BusyError):
                engine.submit(IMAGE, patient="B")
            with pytest.raises(bloodcell.InputError, match="not from a future's callback") as error:
                engine.finish("A")
            said.append(str(error.value))

        engine.submit(IMAGE, patient="A").add_done_callback(again)
        assert lane.taken.acquire(timeout=20)
        engine.submit(IMAGE, patient="A")
        lane.go.set()
        engine.finish("A")
    assert said


def test_closing_scores_what_was_submitted_and_an_error_cancels_it(lane: HeldLane) -> None:
    threading.Timer(0.1, lane.go.set).start()
    with opened() as engine:
        futures = [engine.submit(IMAGE, patient="A") for _ in range(9)]
    assert {future.result(0).status for future in futures} == {"scored"}
    # What is counted is not lost.
    assert engine.finish("A")["scored"] == 9


def test_leaving_by_an_error_cancels_what_waits(lane: HeldLane) -> None:
    def broken_off() -> None:
        with opened() as engine:
            futures.append(engine.submit(IMAGE, patient="A"))
            assert lane.taken.acquire(timeout=20)
            futures.extend(engine.submit(IMAGE, patient="A") for _ in range(8))
            # The others are cancelled before the last one.
            futures[-1].add_done_callback(lambda _: lane.go.set())
            raise ZeroDivisionError

    futures: list[Future[bloodcell.CellResult]] = []
    with pytest.raises(ZeroDivisionError):
        broken_off()
    first, *others = futures
    assert first.result(0).status == "scored"
    assert all(future.cancelled() for future in others)


def test_who_waits_for_room_is_told_that_the_engine_is_closed(lane: HeldLane) -> None:
    engine, said = opened(max_waiting=1), []
    engine.submit(IMAGE, patient="A")
    assert lane.taken.acquire(timeout=20)
    engine.submit(IMAGE, patient="A")

    def submit() -> None:
        try:
            engine.submit(IMAGE, patient="A")
        except bloodcell.EngineError as error:
            said.append(str(error))

    thread = threading.Thread(target=submit)
    thread.start()
    time.sleep(0.1)
    closing = threading.Thread(target=engine.close)
    closing.start()
    thread.join(20)
    assert said == ["the engine is closed: open another one"]
    lane.go.set()
    closing.join(20)


def test_cells_whose_results_cannot_be_made_are_told_too(
    lane: HeldLane, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_arguments: object) -> None:
        raise MemoryError("no memory")

    monkeypatch.setattr("bloodcell.live.patients.OpenPatient.count", exhausted)
    lane.go.set()
    engine = opened()
    future = engine.submit(IMAGE, patient="A")
    with pytest.raises(bloodcell.EngineError, match="has failed: no memory"):
        future.result(20)
    engine.close()


def test_a_lane_that_fails_ends_the_engine_and_every_cell_is_told(lane: HeldLane) -> None:
    lane.fails = True
    engine = opened()
    futures = [engine.submit(IMAGE, patient="A")]
    assert lane.taken.acquire(timeout=20)
    futures += [engine.submit(IMAGE, patient="A") for _ in range(5)]
    assert futures[2].cancel()
    lane.go.set()
    for future in [*futures[:2], *futures[3:]]:
        with pytest.raises(bloodcell.EngineError, match="has failed: the device is gone"):
            future.result(20)
    assert futures[2].cancelled()
    for call in (lambda: engine.submit(IMAGE, patient="A"), lambda: engine.finish("A")):
        with pytest.raises(bloodcell.EngineError, match="the device is gone"):
            call()
    engine.close()
