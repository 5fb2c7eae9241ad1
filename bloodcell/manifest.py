"""The manifest: one row a cell, frozen before the first cell is scored.

Folders, shards and tables are streamed through. What stays in memory is the patients' names, one
patient's file names at a time, and of shards and tables nine bytes a cell while they are checked
for duplicates.
"""

import csv
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from bloodcell._core import hash_strings
from bloodcell.engine.source import string_buffers
from bloodcell.errors import InputError
from bloodcell.shards import (
    IMAGE_SUFFIXES,
    RANGE_COLUMNS,
    is_archive,
    list_shards,
    refuse_second_way,
    shards_among,
)

_LOG = logging.getLogger(__name__)

_REQUIRED = ("path", "patient")
_RESERVED = ("row", *RANGE_COLUMNS)


def root_of(source: Path) -> Path:
    """The folder that a manifest's relative paths start from, absolute."""
    return (source if source.is_dir() else source.parent).resolve()


def freeze_manifest(source: Path, target: Path, rows_per_group: int) -> None:
    """Write ``target`` (Parquet: ``row``, ``path``, ``patient``, carried columns).

    Of shards, ``shard``, ``byte_offset`` and ``byte_count`` are carried (see ``list_shards``).
    Row group k holds rows [k * rows_per_group, (k + 1) * rows_per_group). Raises InputError
    naming ``source`` and the fault: missing, empty, without the columns, duplicate paths.
    """
    try:
        rows = _write(source, target, rows_per_group)
    except (pa.ArrowException, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{source} cannot be read as a manifest: {error}") from error
    if rows == 0:
        raise InputError(f"{source} holds no cells")
    # Only a walk over files cannot find the same path twice.
    if not source.is_dir() or "shard" in pq.read_schema(target).names:
        _refuse_duplicates(source, target)
    if source.is_dir() or is_archive(source.name):
        _warn_of_a_patient_of_many(source, target)


def row_group_count(manifest: Path) -> int:
    """Number of row groups, that is of parts."""
    return int(pq.read_metadata(manifest).num_row_groups)


def patient_names(manifest: Path) -> pa.Array:
    """Distinct patients in ascending order; a patient's index is its place in this array."""
    names: set[str] = set()
    with pq.ParquetFile(manifest) as file:
        for batch in file.iter_batches(columns=["patient"]):
            names.update(pc.unique(batch["patient"]).to_pylist())
    return pa.array(sorted(names), pa.string())


def printable(path: str | os.PathLike[str]) -> str:
    """A path as text; bytes that are not UTF-8 are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _read_source(source: Path) -> Iterator[pa.RecordBatch]:
    try:
        yield from _batches_of(source)
    except OSError as error:
        raise InputError(f"cannot list the cells of {source}: {error}") from error


def _batches_of(source: Path) -> Iterator[pa.RecordBatch]:
    if source.is_dir():
        return _list_folder(source)
    if not source.exists():
        raise InputError(f"{source} does not exist: a folder, .tar, .csv or .parquet is expected")
    if is_archive(source.name):
        return list_shards(source.parent, [source.name])
    if source.suffix.lower() == ".csv":
        return _read_csv(source)
    if source.suffix.lower() == ".parquet":
        return _read_parquet(source)
    raise InputError(f"{source} is neither a folder nor a .tar shard, .csv or .parquet manifest")


def _read_csv(source: Path) -> Iterator[pa.RecordBatch]:
    # Every column as text: a patient named 007 must not become the number 7.
    with source.open(encoding="utf-8-sig", newline="") as file:
        columns = next(csv.reader(file), [])
    _check_columns(source, columns)
    options = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string()))
    with pyarrow.csv.open_csv(source, convert_options=options) as reader:
        yield from reader


def _read_parquet(source: Path) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(source) as file:
        _check_columns(source, file.schema_arrow.names)
        yield from file.iter_batches()


def _check_columns(source: Path, columns: list[str]) -> None:
    lacking = [name for name in _REQUIRED if name not in columns]
    if lacking:
        raise InputError(f"{source} lacks the columns {lacking}: it has {columns}")
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise InputError(f"{source} has the columns {twice} more than once")
    reserved = [name for name in columns if name in _RESERVED]
    if reserved:
        raise InputError(f"{source} has the columns {reserved}, which bloodcell fills: rename them")


def _list_folder(folder: Path) -> Iterator[pa.RecordBatch]:
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    entries = [entry for entry in entries if not entry.name.startswith(".")]
    shards = shards_among(folder, entries)
    return list_shards(folder, shards) if shards else _walk_patients(folder, entries)


def _walk_patients(folder: Path, entries: list[os.DirEntry[str]]) -> Iterator[pa.RecordBatch]:
    """One subfolder a patient; a folder without subfolders is one patient, named like it."""
    seen: set[tuple[int, int]] = set()
    patients = [entry.name for entry in entries if entry.is_dir()]
    if not patients:
        yield _batch_of(folder.resolve().name, sorted(_files_below(folder, folder, seen)))
        return
    others = [entry.name for entry in entries if not entry.is_dir()]
    if stray := [name for name in others if name.lower().endswith(IMAGE_SUFFIXES)]:
        raise InputError(
            f"{folder} holds {len(stray)} images beside its patients' folders ({stray[0]}, ...): "
            "put them into a patient's folder, or list all cells in a manifest"
        )
    for name in patients:
        paths = sorted(_files_below(folder / name, folder, seen))
        if not paths:
            _LOG.warning("%s is empty: the patient does not appear in the run", folder / name)
        yield _batch_of(name, paths)


def _files_below(folder: Path, root: Path, seen: set[tuple[int, int]]) -> Iterator[str]:
    """Every file at any depth but hidden ones: what is no image becomes a rejected row.

    A folder reached a second time, through a link, would count its cells twice: InputError.
    """

    def fail(error: OSError) -> None:
        raise error

    for parent, _, files in os.walk(folder, followlinks=True, onerror=fail):
        refuse_second_way(Path(parent), "folder", seen)
        relative = os.path.relpath(parent, root)
        for name in files:
            if not name.startswith("."):
                yield printable(name if relative == "." else f"{relative}/{name}")


def _batch_of(patient: str, paths: list[str]) -> pa.RecordBatch:
    names = pa.repeat(pa.scalar(printable(patient), pa.string()), len(paths))
    return pa.record_batch({"path": pa.array(paths, pa.string()), "patient": names})


def _write(source: Path, target: Path, rows_per_group: int) -> int:
    """Write row groups of exactly ``rows_per_group`` rows; returns the number of rows."""
    writer: pq.ParquetWriter | None = None
    rows = 0
    try:
        checked = (_checked(batch, source) for batch in _read_source(source))
        for table in _regrouped(checked, rows_per_group):
            numbers = pa.array(np.arange(rows, rows + table.num_rows, dtype=np.int64))
            numbered = table.add_column(0, "row", numbers)
            writer = writer or pq.ParquetWriter(target, numbered.schema)
            writer.write_table(numbered, row_group_size=table.num_rows)
            rows += table.num_rows
    finally:
        if writer is not None:
            writer.close()
    return rows


def _regrouped(batches: Iterator[pa.RecordBatch], rows_per_group: int) -> Iterator[pa.Table]:
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


def _checked(batch: pa.RecordBatch, source: Path) -> pa.RecordBatch:
    """``path`` and ``patient`` as text, in front; raises InputError for an empty one."""
    columns = {name: pc.cast(batch[name], pa.string()) for name in _REQUIRED}
    for name, column in columns.items():
        if pc.any(pc.or_kleene(pc.is_null(column), pc.equal(column, ""))).as_py():
            raise InputError(f"{source} has rows with an empty {name!r}: each cell needs one")
    for name in batch.schema.names:
        columns.setdefault(name, batch[name])
    return pa.record_batch(columns)


def _refuse_duplicates(source: Path, manifest: Path) -> None:
    """Compare 64-bit hashes, eight bytes a cell, and look closer only where two agree."""
    hashes = np.empty(pq.read_metadata(manifest).num_rows, np.uint64)
    rows = 0
    for column in _path_columns(manifest):
        hashes[rows : rows + len(column)] = _hashes(column)
        rows += len(column)
    hashes.sort()
    suspects = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
    if len(suspects) == 0:
        return
    seen: set[str] = set()
    for column in _path_columns(manifest):
        for path in column.filter(pa.array(np.isin(_hashes(column), suspects))).to_pylist():
            if path in seen:
                raise InputError(
                    f"{source} lists {path} more than once: a cell counted twice is a wrong count"
                )
            seen.add(path)


def _warn_of_a_patient_of_many(source: Path, manifest: Path) -> None:
    """A folder around the patients' folders makes one patient of them, and one wrong share."""
    patients = patient_names(manifest)
    if len(patients) != 1:
        return
    above = "[^/]+/" * (2 if "shard" in pq.read_schema(manifest).names else 1)
    folders: set[str] = set()
    for paths in _path_columns(manifest):
        below = pc.extract_regex(paths, f"^{above}(?P<folder>[^/]+)/")
        folders.update(pc.unique(below.drop_null().field("folder")).to_pylist())
    if len(folders) > 1:
        _LOG.warning(
            "all cells of %s are of one patient, %s, and lie in %d folders (%s, ...): if those are "
            "the patients, give the folder that holds them as INPUT, or make the shard by "
            "`tar -C FOLDER -cf SHARD .`, and choose a new --out",
            source, patients[0], len(folders), min(folders),
        )  # fmt: skip


def _path_columns(manifest: Path) -> Iterator[pa.Array]:
    with pq.ParquetFile(manifest) as file:
        for batch in file.iter_batches(columns=["path"]):
            # a/./b and a//b are a/b; links are not followed here.
            inside = pc.replace_substring_regex(batch["path"], r"/(?:\.?/)+", "/")
            yield pc.replace_substring_regex(inside, r"^(?:\./)+", "")


def _hashes(paths: pa.Array) -> np.typing.NDArray[np.uint64]:
    offsets, data = string_buffers(paths)
    return hash_strings(offsets, data)
