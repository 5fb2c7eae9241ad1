"""Processor seconds of a run's pieces on this machine, each measured alone."""

import io
import resource
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import pyarrow.parquet as pq
from drawn_nights import drawn_night
from helpers.paced_worker import Pace, workers_of
from scale_rows import CELLS_OF_A_PATIENT, no_report, write_rows

import bloodcell
from bloodcell import session
from bloodcell.bench.inputs import Drawn, repeated_input
from bloodcell.bench.sample import numbered
from bloodcell.engine.source import batches_of, read_files
from bloodcell.input.manifest import freeze_manifest, patient_names
from bloodcell.model import load_model
from bloodcell.paths import DEFAULT_MODEL
from bloodcell.repeated_images import repeated_images
from bloodcell.report import report_ahead, write_report
from bloodcell.run import Run
from bloodcell.shares import Counting
from bloodcell.store import ROWS_PER_PART, RunStore

Costs = dict[str, dict[str, Any]]

_ROUNDS = 3
_ROWS = 200_000
_FILES = 20_000
_PATIENTS = 40
_PARTS = 10
_SPUN_S = 0.3


def measured_costs(scratch: Path) -> Costs:
    """All of them, by name: ``value``, ``unit`` and ``how``."""
    costs: Costs = {}
    for measure in (_listing, _reading, _driver, _report, _network):
        costs |= measure(scratch)
    return costs


def cost(value: float, unit: str, how: str) -> dict[str, Any]:
    return {"value": float(f"{value:.4g}"), "unit": unit, "how": how}


def slowdown() -> float:
    """How much longer than its processor time a busy loop takes now: what others take away."""
    wall_s, used_s = time.monotonic(), time.thread_time()
    while time.thread_time() - used_s < _SPUN_S:
        pass
    return (time.monotonic() - wall_s) / _SPUN_S


def processor_s(work: Callable[[], Any]) -> float:
    """Of this process, the median of some rounds."""
    taken = []
    for _ in range(_ROUNDS):
        begun_s = time.process_time()
        work()
        taken.append(time.process_time() - begun_s)
    return median(taken)


def _listing(scratch: Path) -> Costs:
    unit = "processor s a cell"
    frozen = scratch / "frozen.parquet"

    def cell_s(source: Path, cells: int) -> float:
        return processor_s(lambda: freeze_manifest(source, frozen, ROWS_PER_PART)) / cells

    costs = {}
    for suffix in (".csv", ".parquet"):
        folder = scratch / f"rows{suffix}"
        folder.mkdir()
        source = write_rows(folder, _ROWS, suffix)
        how = f"freeze_manifest of {_ROWS:,} rows"
        costs[f"list{suffix.replace('.', '_')}_cell_s"] = cost(cell_s(source, _ROWS), unit, how)
    folder, one = scratch / "folder", scratch / "rows.csv" / "one-patient"
    for patient in range(_FILES // CELLS_OF_A_PATIENT):
        own = folder / f"{patient:03d}"
        own.mkdir(parents=True)
        for path in one.iterdir():
            (own / path.name).hardlink_to(path)
    how = f"freeze_manifest of a folder of {_FILES:,} files, its names in the page cache"
    costs["list_folder_cell_s"] = cost(cell_s(folder, _FILES), unit, how)
    shard = _shard(scratch / "cells.tar")
    how = f"freeze_manifest of a shard of {_FILES:,} members of 1 KiB"
    costs["list_shard_cell_s"] = cost(cell_s(shard, _FILES), unit, how)
    return costs


def _shard(path: Path) -> Path:
    content = bytes(1024)
    with tarfile.open(path, "w") as archive:
        for number in range(_FILES):
            member = tarfile.TarInfo(f"p{number // CELLS_OF_A_PATIENT:03d}/{number:05d}.jpg")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def _reading(scratch: Path) -> Costs:
    manifest = repeated_input(None, 1024, scratch / "drawn")
    table = numbered(pq.read_table(manifest))
    cell_s = processor_s(
        lambda: list(read_files(manifest.parent, batches_of(table, 256)))
    ) / table.num_rows  # fmt: skip
    how = "read_files of 1,024 drawn JPEGs of 360 px, digested and gated, in the page cache"
    return {"read_cell_s": cost(cell_s, "processor s a cell", how)}


def _driver(scratch: Path) -> Costs:
    """A part by the whole loop, with a worker that makes answers up and without a report."""
    folder = scratch / "paced"
    folder.mkdir()
    source = write_rows(folder, _PARTS * ROWS_PER_PART, ".parquet")
    of_driver, of_call, of_worker = [], [], []
    waits_s: list[float] = []
    loop = session.Session._score_parts

    def timed(*given: Any) -> Iterator[Any]:
        begun_s = time.process_time()
        yield from loop(*given)
        of_driver.append((time.process_time() - begun_s) / _PARTS)

    def written(store: RunStore, part: int, table: Any) -> None:
        wall_s, used_s = time.monotonic(), time.thread_time()
        write_part(store, part, table)
        waits_s.append(time.monotonic() - wall_s - (time.thread_time() - used_s))

    write_part = RunStore.write_part
    with (
        workers_of(Pace()),
        patch.object(session.Session, "_score_parts", timed),
        patch.object(RunStore, "write_part", written),
        no_report(),
    ):
        for number in range(_ROUNDS):
            before_s = _of_children()
            bloodcell.score(source, folder / f"run-{number}", backend="onnxruntime", workers=1)
            of_worker.append(_of_children() - before_s)
        few = write_rows(_made(scratch / "few"), 32, ".parquet")
        small = []
        for number in range(_ROUNDS):
            before_s = _of_children()
            slow, wall_s = slowdown(), time.monotonic()
            bloodcell.score(
                few, scratch / "few" / f"run-{number}", backend="onnxruntime", workers=1
            )
            of_call.append((time.monotonic() - wall_s) / ((slow + slowdown()) / 2))
            small.append(_of_children() - before_s)
    cell_s = (median(of_worker) - median(small)) / (_PARTS * ROWS_PER_PART)
    rounds = f"median of {_ROUNDS} runs of {_PARTS} parts, paced worker, no report"
    return {
        "driver_part_s": cost(median(of_driver), "processor s a part", rounds),
        "part_waits_s": cost(median(waits_s), "s a part, asleep", "write_part, synced; as above"),
        "paced_worker_cell_s": cost(
            cell_s, "processor s a cell", f"reading 64 px JPEGs, answering, sending; {rounds}"
        ),
        "start_s": cost(
            median(of_call), "s", "a whole call of 32 cells, by the slowdown of a busy loop"
        ),
    }


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _report(scratch: Path) -> Costs:
    run = drawn_night(_made(scratch / "night"), _PATIENTS * CELLS_OF_A_PATIENT, _PATIENTS)
    store, model, job = RunStore(run.folder), load_model(), run.record.job
    counting = Counting.of(job)
    names = patient_names(store.manifest_path)
    begun_s = time.process_time()
    parts = [store.read_part(part) for part in store.finished_parts()]
    read_s, begun_s = time.process_time() - begun_s, time.process_time()
    folder = store.folder / "review"
    folder.rename(folder.with_name("kept"))  # so that the report is begun ahead
    with report_ahead(store, run.record, model, counting) as ahead:
        for part in parts:
            ahead.add(part)
        prepared = ahead.prepared()
        ahead_s, begun_s = time.process_time() - begun_s, time.process_time()
        assert prepared is not None
        write_report(Run(store.folder, run.record), prepared=prepared)
        pages_s = time.process_time() - begun_s
    equal_s = processor_s(lambda: repeated_images(store, names))
    cells, how = run.counts.cells, f"{_PATIENTS} patients of {CELLS_OF_A_PATIENT:,} drawn cells"
    return {
        "report_ahead_patient_s": cost(ahead_s / _PATIENTS, "processor s a patient", how),
        "report_pages_patient_s": cost(pages_s / _PATIENTS, "processor s a patient", how),
        "equal_images_cell_s": cost(equal_s / cells, "processor s a cell", f"all equal; {how}"),
        "read_part_s": cost(read_s / len(parts), "processor s a part", how),
    }


def _network(scratch: Path) -> Costs:
    """A cell decoded and scored by the shipped network on a core, by the difference of two runs."""
    used = []
    for cells in (64, 320):
        source = repeated_input(None, cells, scratch / f"net-{cells}", drawn=Drawn())
        before_s = _of_children()
        bloodcell.score(
            source, scratch / f"net-{cells}" / "run", backend="onnxruntime", threads=1, workers=1
        )
        used.append(_of_children() - before_s)
    how = f"{DEFAULT_MODEL}, ONNX Runtime, FP32, drawn JPEGs of 360 px: 320 cells less 64"
    return {"cpu_cell_s": cost((used[1] - used[0]) / 256, "processor s a cell", how)}
