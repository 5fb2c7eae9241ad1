"""A simulation of one run: a driver, workers, an object store; parts of 4,096 rows are its grain.

What takes processor time holds a core of a machine for it; a store's request rate and a link's
bandwidth are passed one after the other. Losses and stragglers are drawn, from a seed.
"""

import random
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import simpy

ROWS_PER_PART = 4096
WITHOUT_LIMIT = float("inf")
_MOST_WAITING_FOR_REPORT = 4
"""Parts; then committing waits, as in ``bloodcell.report.ahead``."""

Events = Generator[simpy.Event, Any, None]


@dataclass(frozen=True)
class Driver:
    """Processor seconds of the one process that lists, commits, counts and reports."""

    start_s: float = 0.0
    list_cell_s: float = 0.0
    """Listing and freezing; a page of a store's listing besides: its latency, in turn."""
    pages_of_listing: int = 0
    part_s: float = 0.0
    """Handing a part out, taking its answers, writing, counting: one thread."""
    part_waits_s: float = 0.0
    """Of that thread too, for the disk or store that a part is written to; takes no core."""
    patient_s: float = 0.0
    """Of the report while cells are scored: another thread."""
    finish_cell_s: float = 0.0
    finish_patient_s: float = 0.0
    cores: int = 2


@dataclass(frozen=True)
class Workers:
    """``count`` workers of one kind."""

    count: int = 1
    cells_per_s: float = WITHOUT_LIMIT
    """Of one, where it does not wait for bytes."""
    cell_s: float = 0.0
    """Processor seconds of a cell on the driver's own cores; 0 for workers elsewhere."""
    requests_at_once: int = 64
    request_s: float = 0.0
    """Processor seconds of a request."""
    request_cores: int = 1
    """Of a worker, for requests."""
    straggler_share: float = 0.0
    straggler_slowdown: float = 1.0
    hours_between_losses: float = WITHOUT_LIMIT
    """Of one worker."""
    noticed_after_s: float = 30.0
    back_after_s: float = 300.0


@dataclass(frozen=True)
class Store:
    """Where images come from: of a request its latency; in all so many requests and bytes a s."""

    latency_s: float = 0.0
    gets_per_cell: float = 0.0
    gets_per_s: float = WITHOUT_LIMIT
    bytes_per_cell: float = 0.0
    bytes_per_s: float = WITHOUT_LIMIT


@dataclass(frozen=True)
class Night:
    cells: int
    cells_of_a_patient: int = 1000
    driver: Driver = Driver()
    workers: Workers = Workers()
    store: Store = Store()
    seed: int = 1
    grain: int = 1
    """How many parts go together, so that 10^9 cells are simulated in seconds."""

    @property
    def groups(self) -> int:
        return -(-self.cells // (ROWS_PER_PART * self.grain))


@dataclass
class Outcome:
    """Seconds from the call to its end; what each resource was busy of the scoring."""

    call_s: float = 0.0
    scoring_s: float = 0.0
    finish_s: float = 0.0
    busy: dict[str, float] = field(default_factory=dict)
    """Share of the time from the first part handed out to the last one committed."""
    parts_again: int = 0
    parts_lost: int = 0


def limits(night: Night) -> dict[str, float]:
    """Cells/s that each resource allows by itself, the least first: what breaks first."""
    driver, workers, store = night.driver, night.workers, night.store

    def rate(cells: float, takes_s: float) -> float:
        return cells / takes_s if takes_s else WITHOUT_LIMIT

    a_worker = rate(1, 1 / workers.cells_per_s + workers.cell_s / driver.cores)
    requests_s = store.gets_per_cell * workers.request_s / workers.request_cores
    found = {
        "workers": workers.count * a_worker,
        "driver's part thread": rate(ROWS_PER_PART, driver.part_s + driver.part_waits_s),
        "driver's report thread": rate(night.cells_of_a_patient, driver.patient_s),
        "store's requests": rate(store.gets_per_s, store.gets_per_cell),
        "link": rate(store.bytes_per_s, store.bytes_per_cell),
        "workers' request processors": workers.count * rate(1, requests_s),
        "latency": workers.count
        * rate(workers.requests_at_once, store.gets_per_cell * store.latency_s),
    }
    return dict(sorted(found.items(), key=lambda item: item[1]))


def simulate(night: Night) -> Outcome:
    """Run it; seconds are simulated ones."""
    return _Run(night).outcome()


class _Pipe:
    """Passes one thing after another at a rate; who asks is told when its own is through."""

    def __init__(self, env: simpy.Environment, per_s: float) -> None:
        self._env, self._per_s, self._free_at_s, self.busy_s = env, per_s, 0.0, 0.0

    def wait_s(self, amount: float) -> float:
        takes_s = amount / self._per_s
        self.busy_s += takes_s
        self._free_at_s = max(self._free_at_s, self._env.now) + takes_s
        return self._free_at_s - self._env.now


class _Run:
    def __init__(self, night: Night) -> None:
        self._night, self._env = night, simpy.Environment()
        self._random = random.Random(night.seed)
        self._cores = simpy.Resource(self._env, night.driver.cores)
        self._queue: deque[int] = deque(range(night.groups))
        self._in_flight: dict[int, set[int]] = {}
        self._done: set[int] = set()
        self._scored = simpy.Store(self._env, capacity=2 * night.workers.count)
        self._for_report = simpy.Store(self._env, capacity=_MOST_WAITING_FOR_REPORT)
        self._gets = _Pipe(self._env, night.store.gets_per_s)
        self._link = _Pipe(self._env, night.store.bytes_per_s)
        self._is_scored = self._env.event()
        self._busy_s = {"workers": 0.0, "driver's part thread": 0.0, "driver's report thread": 0.0}
        self._outcome = Outcome()

    def outcome(self) -> Outcome:
        self._env.run(self._env.process(self._call()))
        return self._outcome

    def _call(self) -> Events:
        night, driver, env = self._night, self._night.driver, self._env
        yield from self._compute(driver.start_s + night.cells * driver.list_cell_s)
        yield env.timeout(driver.pages_of_listing * night.store.latency_s)
        begun_s = env.now
        report = env.process(self._report())
        env.process(self._commit())
        for number in range(night.workers.count):
            fetched = simpy.Store(env, capacity=1)
            env.process(self._fetch(fetched, number))
            env.process(self._score(fetched, number))
        yield self._is_scored
        scoring_s = env.now - begun_s
        yield report
        finish = night.cells * driver.finish_cell_s
        finish += night.cells / night.cells_of_a_patient * driver.finish_patient_s
        scored_s = env.now
        yield from self._compute(finish)
        self._tell(scoring_s, env.now - scored_s)

    def _tell(self, scoring_s: float, finish_s: float) -> None:
        outcome, workers = self._outcome, self._night.workers.count
        busy_s = self._busy_s | {"store's requests": self._gets.busy_s, "link": self._link.busy_s}
        busy_s["workers"] /= workers
        outcome.call_s, outcome.finish_s = self._env.now, finish_s
        outcome.scoring_s = scoring_s
        outcome.busy = {name: s / scoring_s if scoring_s else 0.0 for name, s in busy_s.items()}

    def _compute(self, takes_s: float) -> Events:
        if takes_s:
            with self._cores.request() as core:
                yield core
                yield self._env.timeout(takes_s)

    def _rows_of(self, part: int) -> int:
        rows = ROWS_PER_PART * self._night.grain
        return min(rows, self._night.cells - part * rows)

    def _next_part(self, worker: int) -> int | None:
        """One that is waiting, else the one that one other worker has had for longest."""
        if self._queue:
            part = self._queue.popleft()
            self._in_flight.setdefault(part, set()).add(worker)
            return part
        for part, holders in self._in_flight.items():
            if len(holders) == 1 and worker not in holders:
                holders.add(worker)
                self._outcome.parts_again += 1
                return part
        return None

    def _fetch(self, fetched: simpy.Store, worker: int) -> Events:
        """Bytes of a part ahead of the one that is scored."""
        workers, store = self._night.workers, self._night.store
        while not self._is_scored.triggered:
            part = self._next_part(worker)
            if part is None:
                if workers.hours_between_losses == WITHOUT_LIMIT:
                    return
                yield self._env.timeout(workers.noticed_after_s)
                continue
            rows = self._rows_of(part)
            requests = rows * store.gets_per_cell
            in_turn_s = max(
                requests * store.latency_s / workers.requests_at_once,
                requests * workers.request_s / workers.request_cores,
            )
            waits_s = max(
                in_turn_s,
                self._gets.wait_s(requests),
                self._link.wait_s(rows * store.bytes_per_cell),
            )
            if waits_s:
                yield self._env.timeout(waits_s)
            yield fetched.put(part)

    def _score(self, fetched: simpy.Store, number: int) -> Events:
        workers = self._night.workers
        is_slow = number < round(workers.straggler_share * workers.count)
        slowdown = workers.straggler_slowdown if is_slow else 1.0
        while True:
            part = yield fetched.get()
            rows = self._rows_of(part)
            takes_s = slowdown * rows / workers.cells_per_s
            begun_s = self._env.now
            lost_after_s = self._random.expovariate(1.0) * 3600 * workers.hours_between_losses
            if lost_after_s < takes_s:
                yield self._env.timeout(lost_after_s)
                self._env.process(self._lose(part, number))
                yield self._env.timeout(workers.back_after_s)
                continue
            if takes_s:
                yield self._env.timeout(takes_s)
            yield from self._compute(rows * workers.cell_s)
            self._busy_s["workers"] += self._env.now - begun_s
            if part not in self._done:
                self._done.add(part)
                self._in_flight.pop(part, None)
                yield self._scored.put(part)

    def _lose(self, part: int, worker: int) -> Events:
        self._outcome.parts_lost += 1
        yield self._env.timeout(self._night.workers.noticed_after_s)
        if part not in self._done:
            self._in_flight[part].discard(worker)
            self._queue.append(part)

    def _commit(self) -> Events:
        """The driver's one thread."""
        driver, grain = self._night.driver, self._night.grain
        for _ in range(self._night.groups):
            part = yield self._scored.get()
            yield from self._compute(grain * driver.part_s)
            if driver.part_waits_s:
                yield self._env.timeout(grain * driver.part_waits_s)
            self._busy_s["driver's part thread"] += grain * (driver.part_s + driver.part_waits_s)
            yield self._for_report.put(self._rows_of(part) / self._night.cells_of_a_patient)
        self._is_scored.succeed()

    def _report(self) -> Events:
        patient_s = self._night.driver.patient_s
        for _ in range(self._night.groups):
            patients = yield self._for_report.get()
            yield from self._compute(patients * patient_s)
            self._busy_s["driver's report thread"] += patients * patient_s
