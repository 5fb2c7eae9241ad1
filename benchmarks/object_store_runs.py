"""What a run in an object store costs: parts put in flight, and whole runs beside those on a disk.

    python benchmarks/object_store_runs.py [--latency-s 0.05] [--pairs 3] [--cells 4000]

The store is moto's S3 in a process of its own, behind a proxy that waits before each answer. The
network costs next to nothing, so what is compared is everything around it, at its worst for the
store; runs are paired, and processor time is that of the scoring process.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from faults.kills import Bench, new_bench
from faults.kills_in_object_store import served
from helpers.object_stores import BUCKET

from bloodcell import scoring
from bloodcell.engine.object_store import ObjectPath
from bloodcell.files import telling, write_whole
from bloodcell.mirror.objects import RunObjects
from bloodcell.mirror.uploads import Uploads

_PARTS = 64
_PART_BYTES = 400_000
"""About those of 4,096 cells of 18 classes."""


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and seconds of this process's processor time."""
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    work()
    return time.monotonic() - began_s, time.process_time() - began_cpu_s


def put_parts(scratch: Path, name: str, *, in_flight: bool) -> None:
    """Write parts, each put before the next one is written or not."""
    folder = scratch / name
    (folder / "cells").mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    uploads = Uploads(RunObjects(ObjectPath(f"s3://{BUCKET}/{name}")), folder, {})
    content = os.urandom(_PART_BYTES)
    with telling(folder, uploads.told):
        for part in range(_PARTS):
            path = folder / "cells" / f"part-{part:05d}.parquet"
            write_whole(path, lambda beside: beside.write_bytes(content))
            if not in_flight:
                uploads.drain()
        uploads.settle()


def score(bench: Bench, out: Path | str) -> None:
    """Score the cells of the bench in this process's worker."""
    with patch.object(scoring, "ROWS_PER_PART", bench.rows_per_part):
        scoring.score(bench.source, out, model=bench.model, backend="onnxruntime", threads=1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency-s", type=float, default=0.05)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--cells", type=int, default=4000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, served(0.0, arguments.latency_s):
        scratch = Path(folder)
        os.environ["XDG_CACHE_HOME"] = str(scratch / "cache")
        for name, in_flight in (("warm", True), ("one at a time", False), ("in flight", True)):
            put = partial(put_parts, scratch, name.replace(" ", "-"), in_flight=in_flight)
            elapsed_s, cpu_s = timed(put)
            print(f"{_PARTS} parts, {name}: {elapsed_s / _PARTS:.4f} s, {cpu_s / _PARTS:.4f} s cpu")
        bench = new_bench(scratch, arguments.cells, rows_per_part=arguments.cells // 20)
        score(bench, scratch / "warm-run")
        score(bench, f"s3://{BUCKET}/warm-run")
        pairs = []
        for number in range(arguments.pairs):
            disk, url = scratch / "run", f"s3://{BUCKET}/run-{number}"
            pairs.append((timed(partial(score, bench, disk)), timed(partial(score, bench, url))))
            shutil.rmtree(disk)
            print("disk {:.2f} s, {:.2f} s cpu; store {:.2f} s, {:.2f} s cpu".format(
                *pairs[-1][0], *pairs[-1][1]), flush=True)  # fmt: skip
        for place, what in enumerate(("elapsed", "cpu")):
            ratio = statistics.median(store[place] / disk[place] for disk, store in pairs)
            more = statistics.median(store[place] - disk[place] for disk, store in pairs)
            print(f"store / disk, {what}: {ratio:.2f}, {more:.2f} s more")


if __name__ == "__main__":
    main()
