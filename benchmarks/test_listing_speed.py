"""Listing a CSV: what is plain, by Arrow, against what must be read row by row, in one run."""

import time
from pathlib import Path
from statistics import median

from sizes import cells

from bloodcell.files import sha256_of
from bloodcell.input.manifest import freeze_manifest
from bloodcell.store import ROWS_PER_PART

ROWS = cells(1_000_000)
ROUNDS = 3
LEAST_GAIN = 2.0


def written(path: Path, header: str) -> Path:
    with path.open("w") as file:
        file.write(f"{header}\n")
        for row in range(ROWS):
            patient = f"patient-{row // 500:05d}"
            file.write(f"{patient}/cell-{row:07d}.jpg,{patient},lymphocyte\n")
    return path


def seconds_of_processor(source: Path, target: Path) -> float:
    started = time.process_time()
    freeze_manifest(source, target, ROWS_PER_PART)
    return time.process_time() - started


def test_plain_lines_are_listed_faster_and_alike(tmp_path: Path) -> None:
    plain = written(tmp_path / "plain.csv", "path,patient,class")
    quoted = written(tmp_path / "quoted.csv", '"path",patient,class')
    targets = [tmp_path / "plain.parquet", tmp_path / "quoted.parquet"]
    pairs = [
        [seconds_of_processor(*one) for one in zip((plain, quoted), targets, strict=True)]
        for _ in range(ROUNDS)
    ]
    assert sha256_of(targets[0]) == sha256_of(targets[1])
    plain_s, quoted_s = (median(column) for column in zip(*pairs, strict=True))
    print(f"\n{ROWS:,} rows: plain {plain_s:.2f} s, row by row {quoted_s:.2f} s")
    assert median(slow / fast for fast, slow in pairs) >= LEAST_GAIN
