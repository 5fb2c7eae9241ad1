"""What ``score`` is given, before anything is loaded; light, so that a slip is answered at once."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bloodcell.engine.object_listing import holds_any
from bloodcell.engine.object_store import ObjectPath, Place, store_errors, whole_name
from bloodcell.errors import DiskError, InputError, RunError
from bloodcell.input.csv_header import encoding_of, read_header, refusing, slip_in
from bloodcell.input.listing import (
    TABLE_SUFFIXES,
    is_archive,
    is_folder,
    refuse_beside,
    refuse_compressed,
    why_no_cell,
)
from bloodcell.paths import check_paths
from bloodcell.run_folder import RECORD, refuse_foreign, refuse_other_job

NEEDED = ("path", "patient")
"""The columns of a manifest."""
RESERVED = ("row", "shard", "byte_offset", "byte_count")
"""Columns that are filled here: by every run, and by one of shards."""


def check_given(
    source: Place, out: Path, model: str | Path | None, *, resume: bool, **counting: Any
) -> None:
    """Raise an error of the tree for what can be told without listing all cells.

    ``counting``: entries of the job, which a run in ``out`` must have been begun with.
    """
    check_paths(None if isinstance(source, ObjectPath) else source, out, model)
    check_source(source)
    _check_writable(out)
    if not (out / RECORD).exists():
        refuse_foreign(out)
        return
    if not resume:
        raise RunError(f"{out} already holds a run: choose another --out, or --resume")
    # What is wrong with a damaged one is told where all of it is read.
    with suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
        begun = json.loads((out / RECORD).read_text("utf-8"))["job"]
        refuse_other_job(out, begun, {"input": whole_name(source), **counting})


def _check_writable(out: Path) -> None:
    nearest = next(place for place in (out.absolute(), *out.absolute().parents) if place.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise DiskError(
            f"cannot write {out}: {nearest} may not be written to. Choose another --out"
        )


def check_source(source: Place) -> None:
    """InputError if ``source`` cannot hold cells: what it is, its columns, its first rows."""
    if isinstance(source, ObjectPath):
        with store_errors():
            _check_objects(source)
        return
    if source.is_dir():
        _check_folder(source)
        return
    suffix = source.suffix.lower()
    if not is_archive(source.name) and suffix not in TABLE_SUFFIXES:
        raise InputError(
            f"{source} is neither a folder nor a .tar shard, .csv or .parquet manifest"
        )
    if not source.is_file() or source.stat().st_size == 0:
        raise InputError(f"{source} is empty or no file: a table or shard of cells is expected")
    _check_file(source)


def _check_objects(source: ObjectPath) -> None:
    if is_folder(source):
        # Of what lies in it a page may be long; it is told where all cells are listed.
        if not holds_any(source):
            raise InputError(f"{source} holds no cells: there is no object of that prefix")
    elif not source.is_file() or source.size() == 0:
        raise InputError(f"{source} is empty or no object: a table or shard of cells is expected")
    else:
        _check_file(source)


def _check_file(source: Place) -> None:
    suffix = source.suffix.lower()
    if is_archive(source.name):
        refuse_compressed(source)
    elif suffix == ".csv":
        _check_csv(source)
    else:
        _check_parquet(source)


def check_columns(source: Place, columns: Sequence[str]) -> None:
    """InputError if a manifest lacks a column, or has one that it may not have."""
    if lacking := [name for name in NEEDED if name not in columns]:
        meant = slip_in(columns, lacking)
        raise InputError(
            f"{source} lacks the columns {lacking}: it has {list(columns)}{meant and '. '}{meant}"
        )
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise InputError(f"{source} has the columns {twice} more than once")
    if reserved := [name for name in columns if name in RESERVED]:
        raise InputError(f"{source} has the columns {reserved}, which bloodcell fills: rename them")


def _check_folder(folder: Path) -> None:
    try:
        entries = [entry for entry in os.scandir(folder) if not why_no_cell(entry.name)]
        folders = sorted(entry.name for entry in entries if entry.is_dir())
        files = sorted({entry.name for entry in entries}.difference(folders))
    except OSError:  # told where all cells are listed
        return
    refuse_beside(folder, folders, files)
    if not entries:
        raise InputError(f"{folder} holds no cells")


def _check_csv(source: Place) -> None:
    with source.open(encoding=encoding_of(source), newline="") as file:
        _, _, columns, rows = read_header(source, file, NEEDED)
        check_columns(source, columns)
        with refusing(source, 1):
            if not any(rows):
                raise InputError(f"{source} holds no cells")


def _check_parquet(source: Place) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Opened here, for Arrow takes no path that is not UTF-8.
        with source.open("rb") as binary, pq.ParquetFile(binary) as file:
            columns, cells = file.schema_arrow.names, file.metadata.num_rows
    except (pa.ArrowException, OSError) as error:  # Arrow's own words for some damage are OSErrors
        raise InputError(f"{source} cannot be read as a manifest: {error}") from error
    check_columns(source, columns)
    if not cells:
        raise InputError(f"{source} holds no cells")
