"""One piece of bloodcell, timed in this process; `compare_commits.py` runs it for each commit.

    python -I commit_probe.py PIECE CELLS IMAGES

Prints one line of JSON: `elapsed_s`, the median of some passes after a warm-up, and `answer`. It
uses only what every commit since the first has, and imports nothing else of its own tree.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt

from bloodcell import _core

PASSES = 5
PATIENTS, CLASSES = 500, 18
Piece = Callable[[], npt.NDArray[np.integer]]


def gate(cells: int, images: Path) -> Piece:
    """Gate `cells` images in memory, those of the folder again and again."""
    encoded = [path.read_bytes() for path in sorted(images.rglob("*.jpg"))]
    encoded = [encoded[number % len(encoded)] for number in range(cells)]
    buffer = np.frombuffer(b"".join(encoded), np.uint8)
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return lambda: _core.gate(buffer, offsets)


def accumulate(cells: int, _: Path) -> Piece:
    """Count `cells` scored cells of 500 patients and 18 classes."""
    random = np.random.default_rng(0)
    probabilities = random.random((cells, CLASSES), np.float32) ** 12
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    probabilities *= 65536
    np.rint(probabilities, out=probabilities)
    probabilities /= 65536
    patients = random.integers(0, PATIENTS, cells, np.int32)
    rows = np.arange(cells)
    is_blast, is_leukocyte = np.arange(CLASSES) == 3, np.arange(CLASSES) < 15

    def count() -> npt.NDArray[np.int64]:
        accumulator = _core.Accumulator(PATIENTS, is_blast, is_leukocyte)
        accumulator.add(patients, rows, probabilities)
        return accumulator.class_counts

    return count


def main(piece: str, cells: str, images: str) -> None:
    work = {"gate": gate, "accumulate": accumulate}[piece](int(cells), Path(images))
    answer = work()
    elapsed_s = []
    for _ in range(PASSES):
        started = time.perf_counter()
        answer = work()
        elapsed_s.append(time.perf_counter() - started)
    digest = hashlib.sha256(answer.tobytes()).hexdigest()
    print(json.dumps({"elapsed_s": median(elapsed_s), "answer": [digest]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
