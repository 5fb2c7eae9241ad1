"""The runs that are to be merged: opened, whole, and of one kind; nothing is written."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bloodcell.audit import AuditLog, read_audit
from bloodcell.errors import RunError
from bloodcell.files import sha256_of
from bloodcell.input.manifest import row_group_count
from bloodcell.run import Run, open_run
from bloodcell.store import RunStore

_PARTS_KEPT = 4
"""In memory, of all runs together."""


@dataclass(frozen=True)
class Source:
    """One run whose files are what its audit log says."""

    run: Run
    store: RunStore
    blamed: tuple[int, ...]
    """Rows that ended workers, as its audit log says."""

    @property
    def has_shards(self) -> bool:
        """Whether its cells are members of shards."""
        return "shard" in pq.read_schema(self.store.manifest_path).names

    @property
    def identity(self) -> dict[str, Any]:
        """What the merged run's audit log says of it; it names no patient."""
        record = self.run.record
        return {
            "cells": self.run.counts.cells,
            "manifest_sha256": record.manifest_sha256,
            "audit_head": record.audit_head,
        }


def open_sources(folders: Sequence[Path]) -> list[Source]:
    """Open the runs; RunError for one that is not done or not whole, or not of the others' kind."""
    if len(folders) < 2:
        raise RunError(f"two runs or more are merged, {len(folders)} given")
    runs = [open_run(folder) for folder in folders]
    for run in runs[1:]:
        _refuse_other_kind(runs[0], run)
    return [_checked(run) for run in runs]


def _refuse_other_kind(first: Run, run: Run) -> None:
    """RunError unless both are the same job, but for its input, on cells with the same columns."""
    own, other = _kind_of(first), _kind_of(run)
    for name in own | other:
        if own.get(name) != other.get(name):
            raise RunError(
                f"{first.folder} and {run.folder} cannot be merged: {name} is {own.get(name)} in "
                f"one, {other.get(name)} in the other"
            )


def _kind_of(run: Run) -> dict[str, Any]:
    """What must be the same in all runs, by name; versions one by one."""
    job: dict[str, Any] = asdict(run.record.job)
    del job["input"]
    versions = job.pop("versions")
    schema = pq.read_schema(RunStore(run.folder).manifest_path)
    columns = ", ".join(f"{field.name} ({field.type})" for field in schema)
    return {**job, **versions, "the columns": columns}


def _checked(run: Run) -> Source:
    store, record = RunStore(run.folder), run.record
    if sha256_of(store.manifest_path) != record.manifest_sha256:
        raise RunError(f"{store.manifest_path} is not the file that this run froze: restore it")
    entries, log = list(read_audit(store.audit_path)), AuditLog(store.audit_path)
    if log.head != record.audit_head:
        raise RunError(
            f"{store.audit_path} does not end as run.json says: lines are missing or were added"
        )
    for part in range(row_group_count(store.manifest_path)):
        path = store.part_path(part)
        if not path.is_file() or sha256_of(path) != log.parts.get(part):
            raise RunError(
                f"{path} is gone or was changed since it was written: delete what is left of it "
                "and run the same `bloodcell score` again to redo its cells"
            )
    blamed = sorted({entry["row"] for entry in entries if entry["event"] == "blame"})
    return Source(run, store, tuple(blamed))


class Reader:
    """Reads rows of the runs, a part at a time."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._rows_per_part = sources[0].run.record.job.rows_per_part
        self._manifest = lru_cache(_PARTS_KEPT)(lambda at, part: sources[at].store.rows_of(part))
        self._cells = lru_cache(_PARTS_KEPT)(lambda at, part: sources[at].store.read_part(part))

    def manifest(self, source: int, first_row: int, rows: int) -> Iterator[pa.Table]:
        """Rows of the manifest of run ``source``, in slices."""
        return self._slices(self._manifest, source, first_row, rows)

    def cells(self, source: int, first_row: int, rows: int) -> Iterator[pa.Table]:
        """The same rows of its ``cells/``; RunError if a part is damaged."""
        return self._slices(self._cells, source, first_row, rows)

    def _slices(self, read: Any, source: int, first_row: int, rows: int) -> Iterator[pa.Table]:
        while rows:
            part, offset = divmod(first_row, self._rows_per_part)
            piece = read(source, part).slice(offset, rows)
            yield piece
            first_row, rows = first_row + piece.num_rows, rows - piece.num_rows
