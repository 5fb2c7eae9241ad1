"""A whole night beside a GPU, without one: what the CPU has to do, at once and at a GPU's pace.

The worker is a process as ever, but its lanes decode nothing and make up what they answer
(`helpers.paced_worker`). Listing, reading with digests, handing over, parts, counts, intervals, the
plan and the report are the product's own.
"""

import resource
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sizes
from gpu.inputs import SHIPPED
from gpu.measurements import decoders_side_by_side, stage
from helpers.paced_worker import Pace, workers_of

import bloodcell
from bloodcell.bench.inputs import repeated_input

CELLS_OF_A_PATIENT = 1000
CORES = 2
LEAST_ON_TWO_CORES = 30_000
"""Cells/s that two cores allow by the processor time that they need."""
NETWORK = stage(SHIPPED, "network")
HARDWARE = ["h4", "h4", "h4"]
PACES = {
    "at once": Pace(),
    "one CUDA decoder": Pace(decoder=stage(SHIPPED, "decode"), network=NETWORK),
    "three hardware decoders": Pace(
        lanes=3, engines=decoders_side_by_side(HARDWARE), network=NETWORK
    ),
}


@dataclass(frozen=True)
class Night:
    """Seconds; ``processor_s`` of this process and the worker."""

    cells: int
    call_s: float
    loop_s: float
    processor_s: float


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cells = sizes.cells(200_000)
    patients = max(1, cells // CELLS_OF_A_PATIENT)
    return repeated_input(None, cells, tmp_path_factory.mktemp("night"), patients=patients)


@pytest.fixture
def out(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "run"
    shutil.rmtree(tmp_path / "run")


def processor_s() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both)


def scored(manifest: Path, out: Path, pace: Pace) -> Night:
    before_s, start = processor_s(), time.monotonic()
    with workers_of(pace):
        run = bloodcell.score(manifest, out, backend="onnxruntime", workers=1)
    call_s, used_s = time.monotonic() - start, processor_s() - before_s
    assert run.counts.scored == run.counts.cells
    assert run.record.session
    return Night(run.counts.cells, call_s, run.record.session.elapsed_s, used_s)


def test_two_cores_store_count_and_report_what_a_gpu_scores(manifest: Path, out: Path) -> None:
    night = scored(manifest, out, PACES["at once"])
    on_two_cores = CORES * night.cells / night.processor_s
    print(
        f"\n{night.cells} cells, answered at once: {night.processor_s:.1f} s of processor time, "
        f"{on_two_cores:,.0f} cells/s on two cores; as it was, {night.cells / night.loop_s:,.0f} "
        f"in the loop and {night.cells / night.call_s:,.0f} in the whole call"
    )
    assert on_two_cores >= LEAST_ON_TWO_CORES


@pytest.mark.parametrize("name", ["one CUDA decoder", "three hardware decoders"])
def test_a_whole_call_at_the_pace_of_an_h100(name: str, manifest: Path, out: Path) -> None:
    pace = PACES[name]
    limit = min(filter(None, (pace.lanes * pace.decoder, pace.engines, pace.network)))
    night = scored(manifest, out, pace)
    print(
        f"\n{night.cells} cells at the pace of an H100, {name}: the loop at "
        f"{night.cells / night.loop_s / limit:.2f} of {limit:,.0f} cells/s, the call at "
        f"{night.loop_s / night.call_s:.2f} of its loop ({night.call_s - night.loop_s:.1f} s "
        f"beside it), {night.processor_s / night.call_s:.2f} cores busy"
    )
