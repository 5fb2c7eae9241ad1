"""Timing side by side: every item in every pass, once, in as many threads as there are works."""

import threading
import time
from collections import Counter

import pytest
from helpers.simulated_device import SimulatedLane, batches

from bloodcell.bench import timing
from bloodcell.bench.timing import Stage, in_flight, one_by_one, side_by_side, time_stage
from bloodcell.engine.batches import ScoreBatch
from bloodcell.errors import EngineError


def test_each_item_is_worked_on_once_a_pass_and_its_last_output_kept() -> None:
    seen: Counter[str] = Counter()

    def work(item: str) -> str:
        seen[item] += 1
        return item.upper()

    elapsed_s, outputs = side_by_side([one_by_one(work)], ["a", "b", "c"], passes=4)
    assert seen == {"a": 4, "b": 4, "c": 4}
    assert outputs == ["A", "B", "C"]
    assert elapsed_s > 0


def test_works_are_in_work_at_the_same_time() -> None:
    # Nobody passes the barrier unless both threads work.
    both = threading.Barrier(2, timeout=10)
    _, outputs = side_by_side([one_by_one(lambda _: both.wait() >= 0)] * 2, [0, 1], passes=1)
    assert outputs == [True, True]


def test_a_failing_work_stops_the_others() -> None:
    started = threading.Event()
    done = Counter[str]()

    def fail(_: int) -> None:
        assert started.wait(10)
        raise EngineError("no")

    def work(_: int) -> None:
        started.set()
        done["items"] += 1
        time.sleep(0.001)

    with pytest.raises(EngineError, match="no"):
        side_by_side([one_by_one(fail), one_by_one(work)], [0] * 100_000, passes=1)
    assert done["items"] < 100_000


def test_a_lane_has_as_many_batches_in_flight_as_it_may() -> None:
    lane = SimulatedLane(depth=3)
    items = list(batches(7))
    work = in_flight(lambda batch: lane.begin(batch).finish, lane.depth)
    _, outputs = side_by_side([work], items, passes=2)
    assert lane.most_in_flight == 3
    assert lane.scored == 14
    assert all(isinstance(output, ScoreBatch) for output in outputs)
    rows = [output.rows.tolist() for output in outputs]
    assert rows == [item.rows.tolist() for item in items]


def stage(output: int) -> Stage:
    def check(outputs: list[int], passes: int) -> None:
        if outputs != [1, 1] or passes < 5:
            raise EngineError("did nothing")

    def works() -> list[timing.Work]:
        return [one_by_one(lambda _: output)]

    return Stage("s", [0, 0], cells=20, threads=1, works=works, check=check)


def test_a_stage_is_timed_over_enough_cells_and_long_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    def timed_passes(_: Stage, passes: int) -> float:
        asked.append(passes)
        return 0.001 * passes

    monkeypatch.setattr(timing, "timed_passes", timed_passes)
    assert time_stage(stage(1), least_cells=81) == pytest.approx(0.001 / 20)
    assert asked[0] == 5
    assert asked[-1] * 0.001 >= 0.5


def test_a_stage_that_gives_something_else_has_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "_LEAST_S", 0.001)
    assert time_stage(stage(1), least_cells=100) > 0
    with pytest.raises(EngineError, match="did nothing"):
        time_stage(stage(0), least_cells=100)
