"""Writes the report while a run is still scored, but for what only its end says.

A patient whose cells are all stored is planned, surveyed and packed, and its page drafted, by the
very functions that do it for the whole run, so a report is the same with or without. What cannot be
done ahead, because patients are mixed or a run was taken up, is done at the end.
"""

from collections import deque
from collections.abc import Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bloodcell.errors import BloodcellError
from bloodcell.files import writing
from bloodcell.input.manifest import patient_sizes
from bloodcell.model import Model
from bloodcell.patients import PatientCounts, patient_table
from bloodcell.report.content import Content
from bloodcell.report.drafts import Drafts
from bloodcell.report.gallery import Survey, joined, survey
from bloodcell.report.packs import cells_of, of_rows, write_pack
from bloodcell.report.pages import load_templates, patient_page
from bloodcell.report.reviews import Reviews
from bloodcell.review import CELLS_OF_A_ROUND
from bloodcell.review.plan import plan_review
from bloodcell.run import Run
from bloodcell.run_record import RunRecord
from bloodcell.shares import Counting
from bloodcell.store import RunStore

_MOST_WAITING = 1 << 16
"""Cells of patients that are not whole yet: 16 MB. With more of them patients are mixed, or huge,
and what is left is done at the end."""
_MOST_GROUPS = 4
"""Of patients that wait to be written; then storing waits too."""
_MOST_TABLES = 64
"""Small ones before they become one: each costs more than its rows."""


@dataclass(frozen=True)
class SomeOfRun(Run):
    """Some patients of a run that is still scored, in memory as the run will have them."""

    rows: pa.Table
    cells_table: pa.Table

    @property
    def patients(self) -> pa.Table:
        """See ``Run.patients``."""
        return self.rows

    def cells_by_part(
        self, columns: list[str], _patients: Collection[str] | None = None
    ) -> Iterator[pa.Table]:
        """See ``Run.cells_by_part``."""
        yield self.cells_table.select(columns)


@dataclass(frozen=True)
class Prepared:
    """What was found of all patients of a run; their images are written, their pages drafted."""

    plan: pa.Table
    survey: Survey
    drafts: Drafts


class ReportAhead:
    """Takes the parts of a run that is scored by ``model``, whole and in any order."""

    def __init__(
        self, store: RunStore, record: RunRecord, model: Model, counting: Counting
    ) -> None:
        self._store, self._model, self._counting = store, model, counting
        self._drafts = Drafts(store.folder / "report")
        self._record = replace(record, finished=self._drafts.stand_in.finished)
        sizes = patient_sizes(store.manifest_path)
        self._names = pa.array(sorted(sizes), pa.string())
        self._has_shards = "shard" in pq.read_schema(store.manifest_path).names
        self._missing = np.array([sizes[name] for name in sorted(sizes)], np.int64)
        self._waiting: list[pa.Table] = []
        self._writer = ThreadPoolExecutor(1)
        # While the first cells are scored, a core is idle.
        self._writer.submit(load_templates)
        self._begun: deque[Future[None]] = deque()
        self._rows: list[pa.Table] = []
        self._plans: list[pa.Table] = []
        self._surveys: list[tuple[npt.NDArray[np.int64], Survey]] = []
        # What a person has answered already is read from a run that is done.
        self._is_over = (store.folder / "review").exists()

    def add(self, part: pa.Table) -> None:
        """Take a stored part; waits while as many patients as may be are being written."""
        if self._is_over:
            return
        patient = pc.index_in(part["patient"], value_set=self._names).to_numpy()
        self._missing -= np.bincount(patient, minlength=len(self._missing))
        self._waiting.append(part)
        if (self._missing[patient] == 0).any():
            waiting = pa.concat_tables(self._waiting)
            patient = pc.index_in(waiting["patient"], value_set=self._names).to_numpy()
            is_whole = self._missing[patient] == 0
            self._waiting = [waiting.filter(~is_whole)]
            # Parts come in any order.
            whole = waiting.filter(is_whole).sort_by("row")
            self._begun.append(
                self._writer.submit(self._write, np.unique(patient[is_whole]), whole)
            )
        self._is_over |= sum(table.num_rows for table in self._waiting) > _MOST_WAITING
        self._wait_for_all_but(_MOST_GROUPS)
        if self._is_over:
            self._waiting = []

    def patients(self) -> pa.Table | None:
        """See ``PartsTaker.patients``; waits until all images are written."""
        self._wait_for_all_but(0)
        if self._is_over or self._missing.any():
            return None
        return pa.concat_tables(self._rows).sort_by("patient").combine_chunks()

    def prepared(self) -> Prepared | None:
        """Likewise, what ``write_report`` takes."""
        if self.patients() is None:
            return None
        plan = pa.concat_tables(self._plans)
        plan = plan.sort_by([("patient", "ascending"), ("order", "ascending")])
        return Prepared(plan, joined(self._surveys, len(self._names)), self._drafts)

    def _wait_for_all_but(self, groups: int) -> None:
        while len(self._begun) > groups:
            group = self._begun.popleft()
            if isinstance(group.exception(), BloodcellError):
                # A full disk, say. It is met again at the end, and said, with all cells scored.
                self._is_over = True
            else:
                group.result()

    def close(self) -> None:
        """What has not begun is left undone."""
        self._writer.shutdown(cancel_futures=True)
        self._drafts.close()

    def _write(self, places: npt.NDArray[np.int64], cells: pa.Table) -> None:
        names = self._names.take(pa.array(places))
        counts = PatientCounts(names, self._model.scheme)
        counts.add_part(cells)
        rows = patient_table(counts, self._model, self._counting)
        some = SomeOfRun(self._store.folder, self._record, rows, cells)
        plan = plan_review(some, CELLS_OF_A_ROUND, after_answers=0)
        found = survey(some, names, plan["row"].to_numpy())
        images = cells_of(some, found.shown["row"]) if self._has_shards else cells
        stand_in = self._drafts.stand_in
        reviews = Reviews(stand_in.run_identity, stand_in.plan_identity, plan)
        content = Content(some, reviews, found, places.tolist(), len(self._names))
        for own, place in enumerate(places.tolist()):
            shown = found.of(own)
            own_cells = of_rows(images, shown)
            write_pack(some, place, shown, own_cells)
            page = patient_page(content, own, own_cells, stand_in.repeated)
            self._drafts.add(place, page)
        for tables, table in ((self._rows, rows), (self._plans, plan)):
            tables.append(table)
            if len(tables) > _MOST_TABLES:
                tables[:] = [pa.concat_tables(tables).combine_chunks()]
        self._surveys.append((places, found))


@contextmanager
def report_ahead(
    store: RunStore, record: RunRecord, model: Model, counting: Counting
) -> Iterator[ReportAhead]:
    """One for a run whose folder is held, closed at the end of a block with what it prepared."""
    with writing(store.folder):
        (store.folder / "report" / "images").mkdir(parents=True, exist_ok=True)
    ahead = ReportAhead(store, record, model, counting)
    try:
        yield ahead
    finally:
        ahead.close()
