"""The simulation of a night gives what can be worked out by eye."""

import pytest

pytest.importorskip("simpy")

from scale_model.night import ROWS_PER_PART, Driver, Night, Store, Workers, limits, simulate

PART = ROWS_PER_PART


def test_one_worker_takes_its_cells_by_its_rate_and_the_start_once() -> None:
    night = Night(1000, driver=Driver(start_s=3), workers=Workers(cells_per_s=100))
    assert simulate(night).call_s == pytest.approx(3 + 10)


def test_four_workers_share_parts_evenly_or_wait_for_the_one_that_has_one_more() -> None:
    workers = Workers(count=4, cells_per_s=PART / 10)
    assert simulate(Night(8 * PART, workers=workers)).call_s == pytest.approx(20)
    assert simulate(Night(9 * PART, workers=workers)).call_s == pytest.approx(30)


def test_a_driver_of_a_second_a_part_holds_up_any_number_of_workers() -> None:
    night = Night(50 * PART, driver=Driver(part_s=1), workers=Workers(count=10, cells_per_s=PART))
    # The first part comes after a second.
    assert simulate(night).call_s == pytest.approx(51)
    assert simulate(night).busy["driver's part thread"] == pytest.approx(50 / 51)
    assert next(iter(limits(night))) == "driver's part thread"


def test_listing_and_finishing_are_added_before_and_after() -> None:
    driver = Driver(
        list_cell_s=0.001, pages_of_listing=5, finish_cell_s=0.002, finish_patient_s=0.5
    )
    night = Night(2000, driver=driver, workers=Workers(cells_per_s=1000), store=Store(latency_s=1))
    # 2 s of cells listed, 5 pages of a second each, 2 s scored, 4 s and two patients at the end.
    assert simulate(night).call_s == pytest.approx(2 + 5 + 2 + 4 + 1)


def test_two_threads_and_a_worker_share_one_core() -> None:
    driver = Driver(part_s=1, patient_s=2, cores=1)
    night = Night(
        3 * PART, cells_of_a_patient=PART, driver=driver, workers=Workers(cell_s=3 / PART)
    )
    assert simulate(night).call_s == pytest.approx(3 * (1 + 2 + 3))


def test_a_small_object_a_cell_is_as_slow_as_the_store_lets_it() -> None:
    workers = Workers(count=4, cells_per_s=1e6, requests_at_once=10_000)
    small = Store(latency_s=0.1, gets_per_cell=1, gets_per_s=5500)
    night = Night(100 * PART, workers=workers, store=small)
    assert simulate(night).call_s == pytest.approx(100 * PART / 5500, rel=0.01)
    assert next(iter(limits(night))) == "store's requests"
    ranges = Store(latency_s=0.1, gets_per_cell=1 / PART, gets_per_s=5500)
    assert simulate(Night(100 * PART, workers=workers, store=ranges)).call_s < 1


def test_latency_is_hidden_by_requests_side_by_side() -> None:
    def taking(requests_at_once: int) -> float:
        workers = Workers(cells_per_s=PART, requests_at_once=requests_at_once)
        return simulate(
            Night(10 * PART, workers=workers, store=Store(latency_s=0.1, gets_per_cell=1))
        ).call_s

    # 409.6 requests side by side keep pace with the worker: the first part waits for its bytes.
    assert taking(4096) == pytest.approx(10.1)
    assert taking(64) == pytest.approx(10 * PART * 0.1 / 64 + 1)


def test_a_link_passes_so_many_bytes() -> None:
    store = Store(bytes_per_cell=1000, bytes_per_s=1000 * PART)
    night = Night(10 * PART, workers=Workers(count=5, cells_per_s=PART), store=store)
    assert simulate(night).call_s == pytest.approx(11)


def test_a_straggler_is_overtaken_once_the_queue_is_empty() -> None:
    slow = Workers(count=2, cells_per_s=PART / 10, straggler_share=0.5, straggler_slowdown=100)
    outcome = simulate(Night(4 * PART, workers=slow))
    # Without it the slow one would hold its part for 1,000 s; the other does all that there is.
    assert outcome.call_s <= 50
    assert outcome.parts_again >= 1


def test_lost_workers_cost_their_parts_time_and_nothing_else() -> None:
    workers = Workers(count=10, cells_per_s=PART / 10, hours_between_losses=0.05)
    outcome = simulate(Night(200 * PART, workers=workers))
    assert outcome.parts_lost > 0
    undisturbed = simulate(Night(200 * PART, workers=Workers(count=10, cells_per_s=PART / 10)))
    assert undisturbed.call_s == pytest.approx(200)
    assert undisturbed.call_s < outcome.call_s
