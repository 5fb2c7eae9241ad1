"""What a Ray cluster costs beside worker processes, and what its driver alone can take.

    python -m pytest benchmarks/test_ray_speed.py -s

Both run in Ray nodes of this machine. Start-up is stated apart: a cluster is started once a day.
"""

import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.ray_nodes import Nodes
from sizes import cells

import bloodcell
from bloodcell.audit import AuditLog
from bloodcell.bench.inputs import repeated_input
from bloodcell.bench.sample import drawn_part
from bloodcell.engine.backends.choice import choose_backend
from bloodcell.engine.device_memory import DeviceMemory
from bloodcell.engine.machine import usable_cores
from bloodcell.engine.setup import Setup
from bloodcell.engine.worker_messages import Ready
from bloodcell.model import load_model
from bloodcell.parts import PartAssembler
from bloodcell.patients import PatientCounts
from bloodcell.ray.actor import NodeScorer
from bloodcell.ray.crew import Crew
from bloodcell.ray.library import connected
from bloodcell.ray.messages import Given, Whole
from bloodcell.ray.scorer import RayPartScorer
from bloodcell.session import Session
from bloodcell.shares import Counting
from bloodcell.source_watch import SourceWatch
from bloodcell.store import ROWS_PER_PART, RunStore

PAIRS = 3
MOST_COST = 1.05
ASKED_CELLS_PER_S = 100_000


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """A head without CPUs, and one node with all cores."""
    with pytest.MonkeyPatch.context() as patch:
        # Actors are of this module, and load what it loads.
        here = Path(__file__).parent
        patch.setenv("PYTHONPATH", f"{here}:{here.parent / 'tests'}")
        with Nodes() as started:
            patch.setenv("RAY_ADDRESS", started.address)
            started.add(cpus=usable_cores())
            yield started


@pytest.mark.usefixtures("nodes")
def test_ray_costs_little_beside_workers(tmp_path: Path) -> None:
    """Pairs of runs, one after the other: with the shipped network, on the same cores."""
    source = repeated_input(None, cells(2048), tmp_path / "input")
    bloodcell.score(source, tmp_path / "warm")
    ratios = []
    for pair in range(PAIRS):
        took_s: dict[str | None, tuple[float, float]] = {}
        for on in (None, "ray") if pair % 2 else ("ray", None):
            began_s = time.monotonic()
            run = bloodcell.score(source, tmp_path / f"{on}{pair}", on=on)
            session = run.record.session
            assert session is not None
            took_s[on] = session.elapsed_s, time.monotonic() - began_s - session.elapsed_s
        ratios.append(took_s["ray"][0] / took_s[None][0])
        print(
            f"by workers {took_s[None][0]:.2f} s and {took_s[None][1]:.2f} s around it, on Ray "
            f"{took_s['ray'][0]:.2f} s and {took_s['ray'][1]:.2f} s: ratio {ratios[-1]:.3f}"
        )
    assert statistics.median(ratios) < MOST_COST


class StandIn(NodeScorer):
    """An actor that has every part at once: its scores are drawn."""

    def open(self, task: bytes, weights: bytes, threads: int) -> None:
        del task, weights, threads
        self._scheme = load_model().scheme
        self._scores = drawn_part(100, self._scheme).scores
        self.say(Ready("CPU", 1, 0, 32, {}))

    def give(self, part: Given) -> None:
        assembler = PartAssembler(part.rows, self._scheme)
        for batch in self._scores:
            rows = batch.rows + part.number * ROWS_PER_PART
            assembler.add(type(batch)(rows, *list(vars(batch).values())[1:]))
        whole = assembler.part(part.number)
        self.say(Whole(part.number, whole.reasons, whole.content))


class StandInCrew(Crew):
    """As many of them as there are cores."""

    def __init__(self, ray: Any, task: Any, **options: Any) -> None:
        super().__init__(ray, task, **options, kind=StandIn)


@pytest.mark.usefixtures("nodes")
def test_a_driver_takes_what_ten_h100_score(tmp_path: Path) -> None:
    """Processor time of the driver for each cell: parts taken, counted, written, logged."""
    model, parts = load_model(), cells(400_000) // ROWS_PER_PART
    store = RunStore(tmp_path / "run")
    (tmp_path / "run" / "cells").mkdir(parents=True)
    write_manifest(store.manifest_path, parts)
    setup = Setup(
        choice=choose_backend("onnxruntime"), network=model.network,
        preprocessing=model.preprocessing, smears=model.smears, root=tmp_path,
        batch_size=None, threads=1,
    )  # fmt: skip
    stop = threading.Event()
    with connected("ray", None) as ray:
        scorer = RayPartScorer(
            ray, setup, model.scheme,
            rows_per_part=ROWS_PER_PART, threads=1, workers=None, stop=stop, crew=StandInCrew,
        )  # fmt: skip
        session = Session(
            store=store, model=model, counting=Counting("blood", "none", 10.0), scorer=scorer,
            threads=1, progress=lambda _done, _cells: None, watch=SourceWatch(tmp_path),
            audit=AuditLog(store.audit_path),
        )  # fmt: skip
        names = pa.array([f"patient-{i:06d}" for i in range(100)])
        counts = PatientCounts(names, model.scheme)
        began_s, processor_s = time.monotonic(), time.process_time()
        scored = parts * ROWS_PER_PART
        for table in session._score_parts(list(range(parts)), 0, scored, DeviceMemory(())):
            counts.add_part(table)
        processor_s = time.process_time() - processor_s
        elapsed_s = time.monotonic() - began_s
        scorer.close()
    assert int(counts.accumulator.scored.sum()) == scored
    print(
        f"{scored} cells: {processor_s:.2f} s of the driver's processor, "
        f"{scored / processor_s:.0f} cells/s; {elapsed_s:.2f} s in all, the actors included"
    )
    assert scored / processor_s > ASKED_CELLS_PER_S


def write_manifest(path: Path, parts: int) -> None:
    """So many parts of drawn rows."""
    rows = drawn_part(100, load_model().scheme).rows.select(["row", "path", "patient"])
    with pq.ParquetWriter(path, rows.schema) as writer:
        for part in range(parts):
            numbers = np.arange(ROWS_PER_PART) + part * ROWS_PER_PART
            writer.write_table(rows.set_column(0, "row", pa.array(numbers)))
