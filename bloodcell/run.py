"""A finished run, as Python sees it."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bloodcell.engine.object_store import place_of
from bloodcell.errors import RunError
from bloodcell.mirror import opened
from bloodcell.run_record import Counts, RunRecord, read_record
from bloodcell.scheme import Scheme, load_scheme, scheme_names
from bloodcell.store import RunStore, reading


@dataclass(frozen=True)
class Run:
    """One run folder, and what its ``run.json`` says."""

    folder: Path
    record: RunRecord

    @property
    def about(self) -> dict[str, Any]:
        """What ``run.json`` holds, as a plain dictionary."""
        return self.record.entries()

    @cached_property
    def scheme(self) -> Scheme:
        """The scheme of its classes; one of the user's own is what ``run.json`` says of it."""
        name = self.record.scheme
        if name in scheme_names():
            return load_scheme(name)
        letters = tuple((self.record.letters or {}).items())
        return Scheme(name, name, "not stated", self.record.classes, letters)

    @property
    def counts(self) -> Counts:
        """How many cells and patients there are; RunError if ``run.json`` does not say."""
        if self.record.counts is None:
            raise RunError(f"{self.folder} has no counts: run the same `bloodcell score` again")
        return self.record.counts

    @property
    def patients(self) -> pa.Table:
        """One row a patient (``patients.parquet``); RunError if it is gone or damaged."""
        path = RunStore(self.folder).patients_path
        with reading(path, "run the same `bloodcell score` again to count them anew"):
            return pq.read_table(path)

    def cells(self, columns: list[str] | None = None) -> pa.Table:
        """One row a cell, in row order; None reads all columns.

        RunError if parts are gone or damaged.
        """
        with self._reading_cells() as parts:
            # Without partitioning=None a run folder named a=b would add a column a.
            return pq.ParquetDataset(list(parts), partitioning=None).read(columns=columns)

    def cells_by_part(
        self, columns: list[str], patients: Collection[str] | None = None
    ) -> Iterator[pa.Table]:
        """The same a part at a time, so that memory does not grow with the cells.

        ``patients``: parts that have no cell of them are left out; the others come whole.
        """
        with self._reading_cells() as parts:
            for part, metadata in parts.items():
                if patients is None or _may_hold(metadata, patients):
                    yield pq.read_table(part, columns=columns, partitioning=None)

    @contextmanager
    def _reading_cells(self) -> Iterator[dict[Path, pq.FileMetaData]]:
        cells = self.counts.cells
        with reading(self.folder / "cells", "run the same `bloodcell score` again to find it"):
            parts = {part: pq.read_metadata(part) for part in RunStore(self.folder).parts()}
            rows = sum(metadata.num_rows for metadata in parts.values())
            if rows != cells:
                raise RunError(
                    f"{self.folder} holds {rows} of its {cells} cells: run the same "
                    "`bloodcell score` again to redo the others"
                )
            yield parts

    def refuse_if_not_whole(self) -> None:
        """RunError if files of its results are gone, or parts are cut; their metadata are read."""
        store = RunStore(self.folder)
        if not store.patients_path.is_file():
            raise RunError(
                f"{store.patients_path} is missing: run the same `bloodcell score` again to count "
                "the patients anew"
            )
        if not store.manifest_path.is_file():
            raise RunError(
                f"{store.manifest_path} is missing, which names the run's cells: restore it from a "
                "copy, or score anew into another --out"
            )
        with self._reading_cells():
            pass

    def cells_at(self, rows: Collection[int], columns: list[str]) -> dict[int, dict[str, Any]]:
        """By row, ``columns`` of those of ``rows`` that there are, read from their parts alone.

        RunError if such a part is damaged.
        """
        store, asked = RunStore(self.folder), pa.array(rows, pa.int64())
        cells: dict[int, dict[str, Any]] = {}
        for part in sorted({row // self.record.job.rows_per_part for row in rows}):
            path = store.part_path(part)
            if not path.is_file():
                continue
            with reading(path, "run the same `bloodcell score` again to redo its cells"):
                table = pq.read_table(path, columns=["row", *columns], partitioning=None)
            own = table.filter(pc.is_in(table["row"], value_set=asked))
            cells |= {cell.pop("row"): cell for cell in own.to_pylist()}
        return cells

    @property
    def reject_rate(self) -> float:
        """Share of the cells that were rejected, 0 to 1."""
        return (self.counts.cells - self.counts.scored) / self.counts.cells


def _may_hold(metadata: pq.FileMetaData, patients: Collection[str]) -> bool:
    """Whether a part may have cells of ``patients``, by the first and last name in each group."""
    column = metadata.schema.names.index("patient")
    groups = [metadata.row_group(i).column(column) for i in range(metadata.num_row_groups)]
    limits = [group.statistics for group in groups]
    return any(
        not (one and one.has_min_max) or any(one.min <= name <= one.max for name in patients)
        for one in limits
    )


def open_run(folder: str | Path) -> Run:
    """Open a finished run; RunError if the folder is none or the run is not done.

    ``folder`` may be a URL (``s3://bucket/run``); ``Run.folder`` is then a copy on this machine,
    without the report, that goes with the ``Run``. StoreError if the store cannot be used.
    """
    place = place_of(folder)
    return _open(place) if isinstance(place, Path) else opened(place, _open)


def _open(folder: Path) -> Run:
    store = RunStore(folder)
    record = read_record(store.record_path)
    if record.state != "done":
        raise RunError(
            f"{store.folder} is not done ({record.state}): run the same `bloodcell score` again "
            "to finish it"
        )
    return Run(store.folder, record)
