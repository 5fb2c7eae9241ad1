"""The run folder on disk: every file is there whole or not at all."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bloodcell._core import REASONS
from bloodcell.engine.batches import ScoreBatch
from bloodcell.errors import RunError
from bloodcell.files import is_left_over, write_whole, writing
from bloodcell.locks import HOLDER, LOCK, held
from bloodcell.run_record import read_record
from bloodcell.scheme import Scheme

ROWS_PER_PART = 4096
"""Part k holds rows [k * ROWS_PER_PART, (k + 1) * ROWS_PER_PART); part of the format."""

_WRITTEN_IN = {
    "": r"run\.json|manifest\.parquet|patients\.(?:parquet|csv)|audit\.jsonl|\.holder",
    "cells": r"part-\d+\.parquet",
    "report": r"index\.html",
}
"""What is written in which folder of a run, as regular expressions."""

_NOT_SCORED = 255
_COLUMNS = [
    "row", "patient", "path", "status", "reason", "class", "blast_probability", "probabilities",
]  # fmt: skip


@contextmanager
def reading(path: Path, remedy: str) -> Iterator[None]:
    """Raise what Parquet says inside of a lost or damaged file as a RunError."""
    try:
        yield
    except (OSError, pa.ArrowInvalid) as error:
        raise RunError(f"{path} cannot be read ({error}): {remedy}") from error


class RunStore:
    """Paths and parts of one run folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record_path = folder / "run.json"
        self.manifest_path = folder / "manifest.parquet"
        self.patients_path = folder / "patients.parquet"
        self.audit_path = folder / "audit.jsonl"
        self._cells = folder / "cells"

    @property
    def is_begun(self) -> bool:
        """Whether there is a ``run.json``."""
        return self.record_path.exists()

    def refuse_foreign(self) -> None:
        """RunError if the folder exists but is neither a run nor free to become one."""
        if self.is_begun:
            read_record(self.record_path)
        elif self.folder.exists():
            foreign = sorted(
                str(path.relative_to(self.folder))
                for path in [*self.folder.iterdir(), *self._cells.glob("*")]
                if not self._may_precede_a_record(path)
            )
            if foreign:
                raise RunError(
                    f"{self.folder} is not empty and holds no run ({foreign[0]}, ...): choose a "
                    "new --out"
                )

    def _may_precede_a_record(self, path: Path) -> bool:
        """Whether a first attempt that was killed may have left ``path`` without a ``run.json``."""
        own = {LOCK, HOLDER, self._cells.name, self.manifest_path.name}
        return (path.parent == self.folder and path.name in own) or self._is_left_over(path)

    def _is_left_over(self, path: Path) -> bool:
        return is_left_over(path.name, of=_WRITTEN_IN[path.parent.relative_to(self.folder).name])

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder, made if missing, against a second scorer; RunError if it is held."""
        with writing(self.folder):
            self._cells.mkdir(parents=True, exist_ok=True)
        with held(self.folder):
            with writing(self.folder):
                self._remove_left_over()
            yield

    def _remove_left_over(self) -> None:
        for below in _WRITTEN_IN:
            for path in (self.folder / below).glob("*.new"):
                if self._is_left_over(path):
                    path.unlink()

    def rows_of(self, part: int) -> pa.Table:
        """The manifest's rows of one part."""
        with pq.ParquetFile(self.manifest_path) as file:
            return file.read_row_group(part)

    def part_path(self, part: int) -> Path:
        """Where part ``part`` is, once it is there."""
        return self._cells / f"part-{part:05d}.parquet"

    def parts(self) -> list[Path]:
        """The finished parts, in row order."""
        return sorted(self._cells.glob("part-*.parquet"))

    def read_part(self, part: int) -> pa.Table:
        """A finished part; RunError if it is damaged or holds other rows than its own."""
        path = self.part_path(part)
        remedy = "delete it and score again to redo its cells"
        with reading(path, remedy), pq.ParquetFile(path) as file:
            table = file.read()
        own = ["row", "patient", "path"]
        if table.schema.names != _COLUMNS or table.select(own) != self.rows_of(part).select(own):
            raise RunError(f"{path} does not hold the rows that belong there: {remedy}")
        return table

    def write_part(self, part: int, table: pa.Table) -> None:
        """Write a part; it appears under its name only when it is whole and on disk."""
        write_whole(self.part_path(part), lambda path: pq.write_table(table, path))


_CLASSES = "bloodcell.classes"
"""In a part's metadata: the classes' codes in the order of ``probabilities``, as JSON."""


class PartAssembler:
    """Collects the scored batches of one part, in any order; ``manifest`` holds its rows."""

    def __init__(self, manifest: pa.Table, scheme: Scheme) -> None:
        self.rows, self._scheme = manifest, scheme
        self._first_row = manifest["row"][0].as_py()
        self.reasons = np.full(manifest.num_rows, _NOT_SCORED, np.uint8)
        self._probabilities = np.full((manifest.num_rows, len(scheme.classes)), np.nan, np.float32)

    @property
    def complete(self) -> bool:
        """Whether every row has come."""
        return not (self.reasons == _NOT_SCORED).any()

    def add(self, batch: ScoreBatch) -> None:
        """Take a batch; RunError if one of its rows has come before."""
        places = batch.rows - self._first_row
        if (self.reasons[places] != _NOT_SCORED).any():
            raise RunError(f"rows {batch.rows[0]} to {batch.rows[-1]} came twice from the engine")
        self.reasons[places] = batch.reasons
        self._probabilities[places] = batch.probabilities

    def table(self) -> pa.Table:
        """The part as it is stored."""
        rejected = self.reasons != 0
        codes = self._scheme.codes
        best = self._probabilities.argmax(axis=1).astype(np.int32)
        blast = self._probabilities[:, self._scheme.is_blast].sum(axis=1, dtype=np.float32)
        reason = pa.array(self.reasons.astype(np.int32), mask=~rejected)
        columns = [
            self.rows["row"],
            self.rows["patient"],
            self.rows["path"],
            pc.if_else(pa.array(rejected), "rejected", "scored"),
            pa.array(REASONS).take(reason),
            pa.array(codes).take(pa.array(best, mask=rejected)),
            # Rounding each class may lift the sum of several a step above one.
            pa.array(np.minimum(blast, np.float32(1)), mask=rejected),
            # A list of nulls, not a null list: Arrow before 26 cannot read that from Parquet.
            pa.FixedSizeListArray.from_arrays(
                pa.array(self._probabilities.ravel(), mask=np.repeat(rejected, len(codes))),
                len(codes),
            ),
        ]
        table = pa.table(columns, names=_COLUMNS).combine_chunks()
        return table.replace_schema_metadata({_CLASSES: json.dumps(codes)})
