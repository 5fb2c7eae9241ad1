"""The run folder on disk: every file is there whole or not at all."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bloodcell._core import REASONS
from bloodcell.digests import DIGEST_BYTES, digest_column
from bloodcell.engine.batches import ScoreBatch
from bloodcell.errors import RunError
from bloodcell.files import write_whole, writing
from bloodcell.locks import LOCK, held
from bloodcell.manifest import row_group, row_group_count
from bloodcell.run_folder import CELLS, MANIFEST, RECORD, left_over
from bloodcell.scheme import Scheme

ROWS_PER_PART = 4096
"""Part k holds rows [k * ROWS_PER_PART, (k + 1) * ROWS_PER_PART); part of the format."""

_NOT_SCORED = 255
_REDO = "delete it and score again to redo its cells"
_COLUMNS = [
    "row", "patient", "path", "status", "reason", "class", "blast_probability", "probabilities",
    "digest", "stained",
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
        self.record_path = folder / RECORD
        self.manifest_path = folder / MANIFEST
        self.patients_path = folder / "patients.parquet"
        self.audit_path = folder / "audit.jsonl"
        self._cells = folder / CELLS

    @property
    def is_begun(self) -> bool:
        """Whether there is a ``run.json``."""
        return self.record_path.exists()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder, made if missing, against a second scorer; RunError if it is held.

        One that was made for it is gone afterwards if no run was begun in it.
        """
        was_there = self.folder.exists()
        with writing(self.folder):
            self._cells.mkdir(parents=True, exist_ok=True)
        with held(self.folder):
            with writing(self.folder):
                for path in left_over(self.folder):
                    path.unlink()
            try:
                yield
            finally:
                if not (was_there or self.is_begun):
                    self._remove_what_precedes_a_run()

    def _remove_what_precedes_a_run(self) -> None:
        # While the lock is held, so that nobody else has begun; what is not ours stays.
        with suppress(OSError):
            self.manifest_path.unlink(missing_ok=True)
            self._cells.rmdir()
            (self.folder / LOCK).unlink()
            self.folder.rmdir()

    def rows_of(self, part: int) -> pa.Table:
        """The manifest's rows of one part."""
        return row_group(self.manifest_path, part)

    def part_path(self, part: int) -> Path:
        """Where part ``part`` is, once it is there."""
        return self._cells / f"part-{part:05d}.parquet"

    def manifest_row_count(self) -> int:
        """How many cells the run has."""
        return int(pq.read_metadata(self.manifest_path).num_rows)

    def finished_parts(self) -> list[int]:
        """Numbers of the parts that are there."""
        parts = range(row_group_count(self.manifest_path))
        return [part for part in parts if self.part_path(part).exists()]

    def path_of(self, row: int) -> str:
        """The path of a cell of the manifest."""
        rows_per_part = pq.read_metadata(self.manifest_path).row_group(0).num_rows
        path: str = self.rows_of(row // rows_per_part)["path"][row % rows_per_part].as_py()
        return path

    def parts(self) -> list[Path]:
        """The finished parts, in row order."""
        return sorted(self._cells.glob("part-*.parquet"))

    def read_part(self, part: int) -> pa.Table:
        """A finished part; RunError if it is damaged or holds other rows than its own."""
        path = self.part_path(part)
        with reading(path, _REDO), pq.ParquetFile(path) as file:
            table = file.read()
        _refuse_without_digests(path, table)
        own = ["row", "patient", "path"]
        if table.schema.names != _COLUMNS or table.select(own) != self.rows_of(part).select(own):
            raise RunError(f"{path} does not hold the rows that belong there: {_REDO}")
        return table

    def read_columns(self, part: int, columns: list[str]) -> pa.Table:
        """Some columns of a finished part, whose rows are not looked at; RunError if damaged."""
        path = self.part_path(part)
        with reading(path, _REDO), pq.ParquetFile(path) as file:
            table = file.read(columns)
        if "digest" in columns:
            _refuse_without_digests(path, table)
        return table

    def write_part(self, part: int, table: pa.Table) -> None:
        """Write a part; it appears under its name only when it is whole and on disk."""
        write_whole(self.part_path(part), lambda path: pq.write_table(table, path))


_CLASSES = "bloodcell.classes"
"""In a part's metadata: the classes' codes in the order of ``probabilities``, as JSON."""


def _refuse_without_digests(path: Path, table: pa.Table) -> None:
    if "digest" not in table.schema.names:
        raise RunError(
            f"{path} is of a version of bloodcell that kept no digests of images: the run can be "
            "opened and evaluated, but not taken up, verified or reported on. Choose a new --out"
        )


def blast_probability(
    probabilities: npt.NDArray[np.float32], scheme: Scheme
) -> npt.NDArray[np.float32]:
    """Of each cell (N, C) the sum over the scheme's blast classes, (N,)."""
    blast = probabilities[:, scheme.is_blast].sum(axis=1, dtype=np.float32)
    # Rounding each class may lift the sum of several a step above one.
    return np.asarray(np.minimum(blast, np.float32(1)), np.float32)


class PartAssembler:
    """Collects the scored batches of one part, in any order; ``manifest`` holds its rows."""

    def __init__(self, manifest: pa.Table, scheme: Scheme) -> None:
        self.rows, self._scheme = manifest, scheme
        self._first_row = manifest["row"][0].as_py()
        self.reasons = np.full(manifest.num_rows, _NOT_SCORED, np.uint8)
        self._probabilities = np.full((manifest.num_rows, len(scheme.classes)), np.nan, np.float32)
        self._digests = np.zeros((manifest.num_rows, DIGEST_BYTES), np.uint8)
        self._stained = np.zeros(manifest.num_rows, np.bool_)

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
        self._digests[places] = batch.digests
        self._stained[places] = batch.stained

    def table(self) -> pa.Table:
        """The part as it is stored."""
        rejected = self.reasons != 0
        codes = self._scheme.codes
        best = self._probabilities.argmax(axis=1).astype(np.int32)
        blast = blast_probability(self._probabilities, self._scheme)
        reason = pa.array(self.reasons.astype(np.int32), mask=~rejected)
        columns = [
            self.rows["row"],
            self.rows["patient"],
            self.rows["path"],
            pc.if_else(pa.array(rejected), "rejected", "scored"),
            pa.array(REASONS).take(reason),
            pa.array(codes).take(pa.array(best, mask=rejected)),
            pa.array(blast, mask=rejected),
            # A list of nulls, not a null list: Arrow before 26 cannot read that from Parquet.
            pa.FixedSizeListArray.from_arrays(
                pa.array(self._probabilities.ravel(), mask=np.repeat(rejected, len(codes))),
                len(codes),
            ),
            digest_column(self._digests),
            pa.array(self._stained, mask=rejected),
        ]
        table = pa.table(columns, names=_COLUMNS).combine_chunks()
        return table.replace_schema_metadata({_CLASSES: json.dumps(codes)})
