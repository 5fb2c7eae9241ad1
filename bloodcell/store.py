"""The run folder on disk: every file is there whole or not at all."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bloodcell.errors import BloodcellError, RunError, Stopped
from bloodcell.files import write_whole, writing
from bloodcell.input.manifest import row_group, row_group_count
from bloodcell.locks import LOCK, held
from bloodcell.parts import OF_MANIFEST, is_part
from bloodcell.run_folder import AUDIT, CELLS, MANIFEST, RECORD, left_over

ROWS_PER_PART = 4096
"""Part k holds rows [k * ROWS_PER_PART, (k + 1) * ROWS_PER_PART); part of the format."""

_REDO = "delete it and score again to redo its cells"


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
        self.audit_path = folder / AUDIT
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
                with self._told_if_removed():
                    yield
            finally:
                if not (was_there or self.is_begun):
                    self._remove_what_precedes_a_run()

    @contextmanager
    def _told_if_removed(self) -> Iterator[None]:
        try:
            yield
        except Stopped:
            raise
        except (OSError, BloodcellError) as error:
            if not _is_removed(self.folder):
                raise
            raise RunError(
                f"the run folder {self.folder} was removed while it was written: run the same "
                "command again"
            ) from error

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

    def paths_of(self, rows: Collection[int]) -> dict[int, str]:
        """The paths of some cells of the manifest, by row."""
        paths: dict[int, str] = {}
        with pq.ParquetFile(self.manifest_path) as file:
            rows_per_part = file.metadata.row_group(0).num_rows
            for part, own in groupby(sorted(rows), lambda row: row // rows_per_part):
                column = file.read_row_group(part, ["path"])["path"]
                paths |= {row: column[row % rows_per_part].as_py() for row in own}
        return paths

    def parts(self) -> list[Path]:
        """The finished parts, in row order."""
        parts = self._cells.glob("part-*.parquet")
        return sorted(parts, key=lambda path: (len(path.name), path.name))

    def read_part(self, part: int) -> pa.Table:
        """A finished part; RunError if it is damaged or holds other rows than its own."""
        path = self.part_path(part)
        with reading(path, _REDO), pq.ParquetFile(path) as file:
            table = file.read()
        _refuse_without_digests(path, table.schema)
        rows = self.rows_of(part).select(OF_MANIFEST)
        if not is_part(table) or table.select(OF_MANIFEST) != rows:
            raise RunError(f"{path} does not hold the rows that belong there: {_REDO}")
        return table

    def read_columns(self, part: int, columns: list[str]) -> pa.Table:
        """Some columns of a finished part, whose rows are not looked at; RunError if damaged."""
        path = self.part_path(part)
        with reading(path, _REDO), pq.ParquetFile(path) as file:
            table = file.read(columns)
        if "digest" in columns:
            _refuse_without_digests(path, table.schema)
        return table

    def refuse_without_digests(self) -> None:
        """RunError if the run is of before parts had digests; damaged parts are told elsewhere."""
        for path in self.parts()[:1]:
            with suppress(OSError, pa.ArrowInvalid):
                _refuse_without_digests(path, pq.read_schema(path))

    def write_part(self, part: int, content: bytes) -> None:
        """Write a part's Parquet; it appears under its name only when it is whole and on disk."""
        write_whole(self.part_path(part), lambda path: path.write_bytes(content))


def _is_removed(folder: Path) -> bool:
    """Whether it alone is gone: with all that is around it, it may come back."""
    with suppress(OSError):
        return folder.parent.is_dir() and not folder.exists()
    return False


def _refuse_without_digests(path: Path, schema: pa.Schema) -> None:
    if "digest" not in schema.names:
        raise RunError(
            f"{path} is of a version of bloodcell that kept no digests of images: the run can be "
            "opened, evaluated and exported, but not taken up, verified or reported on. "
            "Score anew into a new --out"
        )
