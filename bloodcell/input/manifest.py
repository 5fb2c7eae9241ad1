"""The manifest: one row a cell, frozen before the first cell is scored.

Folders, shards and tables are streamed through. What stays in memory is the patients' names, one
patient's file names at a time, and of shards and tables nine bytes a cell while they are checked
for duplicates.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bloodcell.engine.names import text_of
from bloodcell.engine.object_store import Place
from bloodcell.errors import InputError, Stopped
from bloodcell.input.alike_names import refuse_alike_patients
from bloodcell.input.checked_rows import checked_rows
from bloodcell.input.csv_tables import open_csv
from bloodcell.input.first_look import NEEDED, check_columns, check_source
from bloodcell.input.folders import list_folder
from bloodcell.input.listing import LeftOut, is_archive, is_folder
from bloodcell.input.nested_patients import warn_of_patients_of_many
from bloodcell.input.repeated_paths import path_listed_twice
from bloodcell.input.shards import list_shards


@overload
def root_of(source: Path) -> Path: ...
@overload
def root_of(source: Place) -> Place: ...
def root_of(source: Place) -> Place:
    """The folder that a manifest's relative paths start from, absolute."""
    folder = source if is_folder(source) else source.parent
    return folder.resolve() if isinstance(folder, Path) else folder


def _never() -> bool:
    return False


def freeze_manifest(
    source: Place, target: Path, rows_per_group: int, is_stopped: Callable[[], bool] = _never
) -> dict[str, int]:
    """Write ``target`` (Parquet: ``row``, ``path``, ``patient``, carried columns).

    Of shards, ``shard``, ``byte_offset`` and ``byte_count`` are carried (see ``list_shards``).
    Row group k holds rows [k * rows_per_group, (k + 1) * rows_per_group). Returns how many files
    of folders and shards were left out, by the reason (see ``listing``). Raises InputError naming
    ``source`` and the fault: missing, empty, without the columns, paths or patients that are the
    same in one spelling or two, or to the eye; and Stopped once ``is_stopped``.
    """
    left_out = LeftOut()
    try:
        rows = write_rows(_checked_batches(source, left_out, is_stopped), target, rows_per_group)
    except pa.ArrowException as error:
        raise InputError(f"{source} cannot be read as a manifest: {error}") from error
    left_out.warn(source)
    if rows == 0:
        raise InputError(f"{source} holds no cells")
    patients = patient_names(target).to_pylist()
    refuse_alike_patients(source, patients)
    # Only a walk over files cannot find the same path twice.
    if not is_folder(source) or "shard" in pq.read_schema(target).names:
        _refuse_duplicates(source, target)
    if is_folder(source) or is_archive(source.name):
        warn_of_patients_of_many(source, target, len(patients))
    return dict(left_out.files)


def row_group_count(manifest: Path) -> int:
    """Number of row groups, that is of parts."""
    return int(pq.read_metadata(manifest).num_row_groups)


def row_group(manifest: Path, number: int) -> pa.Table:
    """The rows of one row group, that is of one part.

    The footer, which has 2 KB a row group, is read once and kept: read for each part, it would
    cost a run the square of its parts, an hour for 10^8 cells.
    """
    status = manifest.stat()
    footer = _footer(manifest, status.st_ino, status.st_size, status.st_mtime_ns)
    with pq.ParquetFile(manifest, metadata=footer) as file:
        return file.read_row_group(number)


@lru_cache(maxsize=1)
def _footer(manifest: Path, *_of_this_file: int) -> pq.FileMetaData:
    return pq.read_metadata(manifest)


def patient_names(manifest: Path) -> pa.Array:
    """Distinct patients in ascending order; a patient's index is its place in this array."""
    return pa.array(sorted(patient_sizes(manifest)), pa.string())


def patient_sizes(manifest: Path) -> Counter[str]:
    """How many cells each patient has."""
    sizes: Counter[str] = Counter()
    with pq.ParquetFile(manifest) as file:
        for batch in file.iter_batches(columns=["patient"]):
            names, counts = pc.value_counts(batch["patient"]).flatten()
            sizes.update(dict(zip(names.to_pylist(), counts.to_pylist(), strict=True)))
    return sizes


def _checked_batches(
    source: Place, left_out: LeftOut, is_stopped: Callable[[], bool]
) -> Iterator[pa.RecordBatch]:
    try:
        for batch in checked_rows(source, _batches_of(source, left_out)):
            if is_stopped():
                raise Stopped(
                    "stopped while cells were listed: the same command begins or continues"
                )
            yield batch
    except OSError as error:
        raise InputError(f"cannot list the cells of {source}: {error}") from error


def _batches_of(source: Place, left_out: LeftOut) -> Iterator[pa.RecordBatch]:
    if is_folder(source):
        return list_folder(source, left_out)
    if isinstance(source, Path) and not source.exists():
        raise InputError(f"{source} does not exist: a folder, .tar, .csv or .parquet is expected")
    if is_archive(source.name):
        return list_shards(source.parent, [source.name], left_out)
    check_source(source)
    return _read_csv(source) if source.suffix.lower() == ".csv" else _read_parquet(source)


def _read_csv(source: Place) -> Iterator[pa.RecordBatch]:
    # Every column as text: a patient named 007 must not become the number 7.
    with open_csv(source, NEEDED) as (columns, batches):
        check_columns(source, columns)
        yield from batches


def _read_parquet(source: Place) -> Iterator[pa.RecordBatch]:
    # Opened here, for Arrow takes no path that is not UTF-8.
    with source.open("rb") as binary, pq.ParquetFile(binary) as file:
        check_columns(source, file.schema_arrow.names)
        yield from file.iter_batches()


def write_rows(batches: Iterator[pa.RecordBatch], target: Path, rows_per_group: int) -> int:
    """Number the rows and write groups of ``rows_per_group``; returns how many there are."""
    writer: pq.ParquetWriter | None = None
    rows = 0
    try:
        for table in regrouped(batches, rows_per_group):
            numbers = pa.array(np.arange(rows, rows + table.num_rows, dtype=np.int64))
            numbered = table.add_column(0, "row", numbers)
            writer = writer or pq.ParquetWriter(target, numbered.schema)
            writer.write_table(numbered, row_group_size=table.num_rows)
            rows += table.num_rows
    finally:
        if writer is not None:
            writer.close()
    return rows


def regrouped(batches: Iterator[pa.RecordBatch], rows_per_group: int) -> Iterator[pa.Table]:
    """Tables of exactly ``rows_per_group`` rows, the last one of what is left."""
    waiting: list[pa.RecordBatch] = []
    waiting_rows = 0
    for batch in batches:
        waiting.append(batch)
        waiting_rows += batch.num_rows
        if waiting_rows < rows_per_group:
            continue
        table = pa.Table.from_batches(waiting)
        while table.num_rows >= rows_per_group:
            yield table.slice(0, rows_per_group).combine_chunks()
            table = table.slice(rows_per_group)
        waiting, waiting_rows = table.to_batches(), table.num_rows
    if waiting_rows:
        yield pa.Table.from_batches(waiting).combine_chunks()


def _refuse_duplicates(source: Place, manifest: Path) -> None:
    if path := path_listed_twice(manifest, text_of(str(root_of(source)))):
        raise InputError(
            f"{source} lists {path} more than once: a cell counted twice is a wrong count"
        )
