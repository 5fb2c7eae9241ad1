"""What a run of very many rows keeps in memory, stage by stage: `python benchmarks/scale_rows.py`.

A manifest of patients of 1,000 cells is listed, frozen, scored by a worker that makes up its
answers (`helpers.paced_worker`), counted, searched for equal images and reported on. The images are
180 drawn files; every patient is a link to one folder that names them again and again, so no path
is there twice and ten million rows take ten thousand links. Each size runs in a process of its own.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "tests"))

import psutil
from helpers.paced_worker import Pace, workers_of

from bloodcell import repeated_images, scoring, session
from bloodcell.bench.inputs import Drawn, draw_images
from bloodcell.digests import digest_column
from bloodcell.engine.machine import keep_memory_flat
from bloodcell.input.manifest import patient_names
from bloodcell.store import RunStore

CELLS_OF_A_PATIENT = 1000
"""Unless something else is asked for."""
_SIDE_PX = 64
_SAMPLES_A_S = 50
_MIB = 2**20
_STAGES = {
    "list and freeze": (scoring, "freeze"),
    "score": (session.Session, "_score_parts"),
    "patients": (session.Session, "_patient_table"),
    "equal images": (session, "repeated_images"),
    "report": (scoring, "write_report"),
}


@dataclass
class Stage:
    """What one stage took: seconds, and of this process resident memory in MiB."""

    name: str
    first_mib: float
    peak_mib: float = 0.0
    wall_s: float = 0.0
    processor_s: float = 0.0
    workers_mib: float = 0.0


@dataclass
class Watch:
    """Samples resident memory; what is sampled belongs to the stage of that moment."""

    process: psutil.Process = field(default_factory=psutil.Process)
    stages: list[Stage] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        one = Stage(name, self._resident_mib())
        self.stages.append(one)
        wall_s, processor_s = time.monotonic(), time.process_time()
        try:
            yield
        finally:
            one.wall_s = round(time.monotonic() - wall_s, 2)
            one.processor_s = round(time.process_time() - processor_s, 2)
            one.peak_mib = max(one.peak_mib, self._resident_mib())

    def sample(self, is_over: threading.Event) -> None:
        while not is_over.wait(1 / _SAMPLES_A_S):
            if self.stages:
                one = self.stages[-1]
                one.peak_mib = max(one.peak_mib, self._resident_mib())
                one.workers_mib = max(one.workers_mib, self._workers_mib())

    def _resident_mib(self) -> float:
        return round(self.process.memory_info().rss / _MIB, 1)

    def _workers_mib(self) -> float:
        total = 0
        for child in self.process.children():
            with suppress(psutil.Error):  # it may just have ended
                total += child.memory_info().rss
        return round(total / _MIB, 1)


class DistinctImages(RunStore):
    """A run as if no two of its images were equal: digests are drawn of rows."""

    def read_columns(self, part: int, columns: list[str]) -> pa.Table:
        table = super().read_columns(part, columns)
        drawn = np.random.default_rng([7, part]).integers(0, 256, (len(table), 16), np.uint8)
        place = table.schema.get_field_index("digest")
        return table.set_column(place, "digest", digest_column(drawn))


def write_rows(
    folder: Path, cells: int, suffix: str, cells_of_a_patient: int = CELLS_OF_A_PATIENT
) -> Path:
    """A manifest (``.csv`` or ``.parquet``) of ``cells`` rows, and what it names."""
    images = draw_images(folder / "drawn", Drawn(side_px=_SIDE_PX), most=cells)
    one = folder / "one-patient"
    one.mkdir()
    for number in range(cells_of_a_patient):
        (one / f"{number:04d}.jpg").hardlink_to(images[number % len(images)])
    manifest = folder / f"manifest{suffix}"
    names = pa.array([f"{number:04d}.jpg" for number in range(cells_of_a_patient)])
    with _writer(manifest) as write:
        for place in range(-(-cells // cells_of_a_patient)):
            patient = f"patient-{place:06d}"
            (folder / patient).symlink_to(one.name)
            own = names[: cells - place * cells_of_a_patient]
            paths = pa.compute.binary_join_element_wise(patient, own, "/")
            write(pa.table({"path": paths, "patient": [patient] * len(own)}))
    return manifest


@contextmanager
def _writer(manifest: Path) -> Iterator[Callable[[pa.Table], None]]:
    schema = pa.schema([("path", pa.string()), ("patient", pa.string())])
    if manifest.suffix == ".csv":
        options = pa.csv.WriteOptions(quoting_style="none")
        with pa.csv.CSVWriter(manifest, schema, write_options=options) as file:
            yield file.write_table
        return
    waiting: list[pa.Table] = []
    with pq.ParquetWriter(manifest, schema) as file:

        def write(table: pa.Table) -> None:
            waiting.append(table)
            if len(waiting) == 1000:
                file.write_table(pa.concat_tables(waiting).combine_chunks())
                waiting.clear()

        yield write
        if waiting:
            file.write_table(pa.concat_tables(waiting).combine_chunks())


class NoReport:
    """Takes a run's parts in a report's place."""

    def add(self, _part: pa.Table) -> None:
        pass

    def patients(self) -> None:
        return None

    def prepared(self) -> None:
        return None


@contextmanager
def no_report() -> Iterator[None]:
    """Runs in a block write no report; what it takes of a driver is left out."""
    with (
        patch.object(scoring, "report_ahead", lambda *_given: nullcontext(NoReport())),
        patch.object(scoring, "write_report", lambda *_given, **_named: None),
    ):
        yield


def measure(source: Path, out: Path, workers: int, *, report: bool) -> dict[str, Any]:
    """Score ``source``, sampled; the search for equal images once more, with none equal."""
    keep_memory_flat()  # as `bloodcell score` does
    watch, is_over = Watch(), threading.Event()
    sampler = threading.Thread(target=watch.sample, args=[is_over])
    sampler.start()
    for name, (owner, attribute) in _STAGES.items():
        setattr(owner, attribute, _staged(watch, name, getattr(owner, attribute)))
    started = time.monotonic()
    with nullcontext() if report else no_report(), workers_of(Pace()), watch.stage("start"):
        run = scoring.score(source, out, backend="onnxruntime", workers=workers, progress=_Told())
    call_s = time.monotonic() - started
    assert run.counts.scored == run.counts.cells
    with watch.stage("equal images, none equal"):
        found = repeated_images.repeated_images(
            DistinctImages(out), patient_names(out / "manifest.parquet")
        )
    assert found is None
    is_over.set()
    sampler.join()
    return {
        "cells": run.counts.cells,
        "patients": run.counts.patients,
        "manifest": source.suffix,
        "report": report,
        "call_s": round(call_s, 1),
        "stages": [vars(stage) for stage in watch.stages],
        "report_mib": round(sum(_sizes(out / "report")) / _MIB, 1),
        "report_files": len(_sizes(out / "report")),
        "run_without_report_mib": round((sum(_sizes(out)) - sum(_sizes(out / "report"))) / _MIB, 1),
    }


def _staged(watch: Watch, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    if name == "score":

        def over_all(*given: Any) -> Iterator[Any]:
            with watch.stage(name):
                yield from call(*given)

        return over_all

    def staged(*given: Any, **named: Any) -> Any:
        with watch.stage(name):
            return call(*given, **named)

    return staged


class _Told:
    """A line to stderr each tenth."""

    def __init__(self) -> None:
        self._next, self._started = 0.1, time.monotonic()

    def __call__(self, done: int, cells: int) -> None:
        if done >= self._next * cells:
            at_s = time.monotonic() - self._started
            print(f"{done:,} of {cells:,} cells after {at_s:.0f} s", file=sys.stderr, flush=True)
            self._next += 0.1


def _sizes(folder: Path) -> list[int]:
    return [path.stat().st_size for path in folder.rglob("*") if path.is_file()]


def told(figures: dict[str, Any]) -> str:
    lines = [
        f"{figures['cells']:,} cells of {figures['patients']:,} patients, {figures['manifest']}: "
        f"call {figures['call_s']} s; report {figures['report_mib']:,} MiB in "
        f"{figures['report_files']:,} files, the rest {figures['run_without_report_mib']:,} MiB",
        f"{'':26}{'before':>9}{'peak MiB':>10}{'wall s':>9}{'CPU s':>9}{'workers MiB':>13}",
    ]
    lines += [
        f"{stage['name']:26}{stage['first_mib']:9}{stage['peak_mib']:10}{stage['wall_s']:9}"
        f"{stage['processor_s']:9}{stage['workers_mib']:13}"
        for stage in figures["stages"]
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, nargs="+", default=[10**5, 10**6])
    parser.add_argument("--as", dest="suffix", choices=["csv", "parquet"], default="parquet")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--cells-of-a-patient", type=int, default=CELLS_OF_A_PATIENT)
    parser.add_argument("--no-report", action="store_true")
    parser.add_argument("--out", type=Path, help="JSON, of all sizes")
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.here:
        source = asked.here / f"manifest.{asked.suffix}"
        out, report = asked.here / "run", not asked.no_report
        print(json.dumps(measure(source, out, asked.workers, report=report)))
        return
    measured = []
    for cells in asked.cells:
        folder = Path(tempfile.mkdtemp(prefix="scale-rows-"))
        try:
            write_rows(folder, cells, f".{asked.suffix}", asked.cells_of_a_patient)
            words = [sys.executable, __file__, "--as", asked.suffix, "--here", str(folder)]
            words += ["--workers", str(asked.workers)]
            words += ["--no-report"] * asked.no_report
            done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
            measured.append(json.loads(done.stdout.splitlines()[-1]))
        finally:
            shutil.rmtree(folder)
        print(told(measured[-1]), flush=True)
        if asked.out:
            asked.out.write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    main()
