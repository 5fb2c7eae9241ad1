"""What is kept of a manifest while it is frozen and worked on, at two sizes in one process."""

import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from bloodcell.input import manifest
from bloodcell.input.manifest import freeze_manifest, row_group

ROWS = 140_000
"""More than two batches of Arrow's, so that one is there while the next one is read."""
PATIENTS = 20
ROWS_PER_PART = 4096


def written(path: Path, rows: int) -> Path:
    names = [f"patient-{place:03d}" for place in range(PATIENTS)]
    columns = {
        "path": [f"cells/{row:07d}.jpg" for row in range(rows)],
        "patient": [names[row * PATIENTS // rows] for row in range(rows)],
    }
    pa.csv.write_csv(pa.table(columns), path, pa.csv.WriteOptions(quoting_style="none"))
    return path


def test_freezing_holds_batches_and_never_the_table(tmp_path: Path) -> None:
    peaks, before = [], pa.default_memory_pool()
    for rows in (ROWS, 2 * ROWS):
        source = written(tmp_path / f"{rows}.csv", rows)
        pool = pa.proxy_memory_pool(before)
        pa.set_memory_pool(pool)
        try:
            freeze_manifest(source, tmp_path / "frozen.parquet", ROWS_PER_PART)
        finally:
            pa.set_memory_pool(before)
        peaks.append(pool.max_memory())
    few, many = peaks
    assert few > 0
    assert many <= 1.1 * few


def test_looking_for_duplicates_takes_nine_bytes_a_row(tmp_path: Path) -> None:
    peaks = []
    for rows in (ROWS, 2 * ROWS):
        source, frozen = written(tmp_path / f"{rows}.csv", rows), tmp_path / "frozen.parquet"
        freeze_manifest(source, frozen, ROWS_PER_PART)
        tracemalloc.start()
        manifest._refuse_duplicates(source, frozen)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    few, many = peaks
    # A hash of eight bytes, and a flag whether the next one is equal.
    assert 7.5 <= (many - few) / ROWS <= 9.5


def test_a_manifests_footer_is_read_once_and_anew_when_it_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, footers = [], pq.read_metadata

    def noted(path: Path) -> pq.FileMetaData:
        read.append(path)
        return footers(path)

    first, second = (written(tmp_path / f"{rows}.csv", rows) for rows in (10_000, 5000))
    frozen = tmp_path / "frozen.parquet"
    freeze_manifest(first, frozen, ROWS_PER_PART)
    monkeypatch.setattr(pq, "read_metadata", noted)
    assert [row_group(frozen, part).num_rows for part in range(3)] == [4096, 4096, 1808]
    assert row_group(frozen, 2)["row"][0].as_py() == 8192
    assert read == [frozen]
    freeze_manifest(second, frozen, ROWS_PER_PART)
    assert [row_group(frozen, part).num_rows for part in range(2)] == [4096, 904]
    # Freezing reads it too, while it looks for duplicates.
    assert read.count(frozen) <= 3
