"""Threads submit cells to an ``Engine`` at random, cancel some and set others deadlines.

    python tests/faults/live_cells.py [--cells N] [--threads N] [--backend NAME]

Drawn cells of every format and size, some broken, and pixels of some, by a network that costs next
to nothing. Each future must end once, each result be the row that ``score`` wrote of the same
bytes, and each patient's statistics count its results; memory is printed on the way.
"""

import argparse
import ctypes
import io
import random
import resource
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import bloodcell
from bloodcell.bench.stand_in import write_stand_in
from bloodcell.phantom import write_phantoms

CELLS_A_PATIENT = 60
MALLINFO2 = [
    "arena",
    "ordblks",
    "smblks",
    "hblks",
    "hblkhd",
    "usmblks",
    "fsmblks",
    "uordblks",
    "fordblks",
    "keepcost",
]
"""Its fields, of the C library."""
LOSSLESS = ("BMP", "PNG", "TIFF")
COUNTED = ("scored", "rejected")


@dataclass
class Tally:
    """What came of all cells; threads share it."""

    ends: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, what: str) -> None:
        with self.lock:
            self.ends[what] += 1

    def fault(self, what: str) -> None:
        with self.lock:
            self.faults.append(what)


def drawn_cells(scratch: Path, model: Path, backend: str) -> list[tuple[Any, dict[str, Any]]]:
    """Images, and what ``score`` says of each; pixels are to get what their file gets."""
    write_phantoms(scratch / "drawn", patients=4, cells=40, image_format="mixed", seed=11)
    sound = sorted(path for path in (scratch / "drawn").rglob("*") if path.parent.parent.is_dir())
    chance = random.Random(5)
    for path in [path for path in sound if path.suffix not in ("", ".csv", ".md", ".txt")][::4]:
        image = bytearray(path.read_bytes())
        image[chance.randrange(len(image)) :: 97] = b""
        path.with_name(f"broken-{path.name}").write_bytes(image[: chance.randrange(len(image))])
    run = bloodcell.score(scratch / "drawn", scratch / "run", model=model, backend=backend)
    cells: list[tuple[Any, dict[str, Any]]] = []
    for row in run.cells().to_pylist():
        encoded = (scratch / "drawn" / row["path"]).read_bytes()
        cells.append((encoded, row))
        if row["status"] == "scored":
            with Image.open(io.BytesIO(encoded)) as image:
                if image.format in LOSSLESS and image.mode == "RGB":
                    cells.append((np.array(image), row | {"digest": None}))
    return cells


def is_right(result: bloodcell.CellResult, row: dict[str, Any]) -> bool:
    """Whether a result is what ``score`` wrote."""
    names = ("status", "reason", "class", "blast_probability", "stained")
    own = result.as_row()
    if any(own[name] != row[name] for name in names) or row["digest"] not in (None, own["digest"]):
        return False
    if row["status"] == "rejected":
        return result.probabilities is None
    return bool(np.array_equal(result.probabilities, np.array(row["probabilities"], np.float32)))


def submit_patient(
    engine: bloodcell.Engine, name: str, count: int, cells: list[Any], tally: Tally
) -> None:
    """Submit, cancel, wait for and finish the cells of one patient."""
    chance, futures = random.Random(name), []
    for row in range(count):
        image, expected = chance.choice(cells)
        deadline_s = chance.uniform(0, 0.5) if chance.random() < 0.1 else None
        future = engine.submit(image, patient=name, row=row, deadline_s=deadline_s)
        future.add_done_callback(lambda _: tally.note("ended"))
        futures.append((future, expected))
        if chance.random() < 0.1:
            chance.choice(futures)[0].cancel()
    statistics = engine.finish(name)
    ends = Counter(end_of(future, expected, tally) for future, expected in futures)
    for end in ends.elements():
        tally.note(end)
    if statistics["cells"] != sum(ends[end] for end in COUNTED) or any(
        statistics[end] != ends[end] for end in COUNTED
    ):
        tally.fault(f"{name} counts {statistics['cells']}, its futures ended as {dict(ends)}")


def end_of(future: Future[bloodcell.CellResult], expected: dict[str, Any], tally: Tally) -> str:
    """How a cell ended; all of a finished patient's have."""
    try:
        result = future.result(timeout=0)
    except CancelledError:
        return "cancelled"
    if result.status != "expired" and not is_right(result, expected):
        tally.fault(f"{result} is not what score wrote: {expected}")
    return result.status


def work(engine: bloodcell.Engine, number: int, count: int, cells: list[Any], tally: Tally) -> None:
    """One thread's cells, patient after patient."""
    try:
        for first in range(0, count, CELLS_A_PATIENT):
            own = min(CELLS_A_PATIENT, count - first)
            submit_patient(engine, f"{number}-{first}", own, cells, tally)
    except BaseException as error:
        tally.fault(f"thread {number}: {error!r}")
        raise


def resident_mib() -> float:
    """Memory that this process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


class Heap(ctypes.Structure):
    """What the C library's allocator has; bytes."""

    _fields_ = [(name, ctypes.c_size_t) for name in MALLINFO2]


def memory() -> str:
    """Resident memory, and how much of it is used and free in the C library's heap."""
    library = ctypes.CDLL(None)
    library.mallinfo2.restype = Heap
    heap = library.mallinfo2()
    used, free = ((heap.uordblks + heap.hblkhd) / 2**20, heap.fordblks / 2**20)
    return f"{resident_mib():7.1f} MiB, of the heap {used:.0f} used, {free:.0f} free"


def main() -> None:
    """Submit as many cells as asked; prints counts, exits 1 if one ended wrongly or not."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=32)
    parser.add_argument("--backend", default="onnxruntime")
    arguments = parser.parse_args()
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        model = write_stand_in(Path(folder) / "model")
        cells = drawn_cells(Path(folder), model, arguments.backend)
        print(f"{len(cells)} images, {sum(isinstance(image, bytes) for image, _ in cells)} files")
        with bloodcell.Engine(model, backend=arguments.backend) as engine:
            share = -(-arguments.cells // arguments.threads)
            threads = [
                threading.Thread(target=work, args=(engine, number, share, cells, tally))
                for number in range(arguments.threads)
            ]
            began = time.monotonic()
            for thread in threads:
                thread.start()
            watch(threads, tally, share * arguments.threads)
            elapsed_s = time.monotonic() - began
    for fault in tally.faults[:5]:
        print(fault)
    cells_in_all, ended = share * arguments.threads, tally.ends.pop("ended")
    print(f"{ended} of {cells_in_all} futures ended in {elapsed_s:.0f} s: {dict(tally.ends)}")
    sys.exit(bool(tally.faults) or ended != cells_in_all)


def watch(threads: list[threading.Thread], tally: Tally, cells: int) -> None:
    """Print the memory at each tenth of the cells, until all threads have ended."""
    tenth = 1
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.05)
        if tally.ends["ended"] >= tenth * cells / 10:
            print(f"{tally.ends['ended']:>9} cells: {memory()}", flush=True)
            tenth += 1
    for thread in threads:
        thread.join()
    ctypes.CDLL(None).malloc_trim(0)
    print(f"malloc_trim(0): {memory()}", flush=True)


if __name__ == "__main__":
    main()
