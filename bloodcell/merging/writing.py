"""Writes the run that scoring all cells at once would have written, of runs that scored some."""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pyarrow as pa

from bloodcell import patients
from bloodcell.audit import AuditLog
from bloodcell.engine.machine import usable_cores
from bloodcell.errors import ModelError, RunError
from bloodcell.files import sha256_of, write_whole
from bloodcell.input import manifest
from bloodcell.input.alike_names import refuse_alike_patients
from bloodcell.input.repeated_paths import path_listed_twice
from bloodcell.job import now
from bloodcell.merging.order import MergedOrder, from_root, order_of
from bloodcell.merging.sources import Reader, Source, open_sources
from bloodcell.mirror import in_object_stores
from bloodcell.model import Model
from bloodcell.parts import part_content
from bloodcell.paths import check_out
from bloodcell.repeated_images import FirstHalves, repeated_images
from bloodcell.report import write_report
from bloodcell.review.folder import logged_reviews
from bloodcell.review.planned import plan_path
from bloodcell.run import Run
from bloodcell.run_folder import refuse_foreign, refuse_other_job
from bloodcell.run_model import counted_model_of
from bloodcell.run_record import Job, RunRecord, read_record, write_record
from bloodcell.shares import Counting
from bloodcell.store import RunStore

_LOG = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called with (cells done, cells in all) after every part."""


@in_object_stores
def merge(runs: Sequence[str | Path], out: str | Path, *, progress: Progress | None = None) -> Run:
    """Join finished ``runs`` of different cells into one run, in the folder ``out`` or at a URL.

    It is the run that scoring all their cells at once would have made: the same rows of the
    manifest, ``cells/`` and ``patients.parquet`` byte for byte, in whatever order ``runs`` are
    named. Its input is the folder that holds theirs; a patient in several runs adds up. Of
    patients' folders and shards the order is that of listing this folder, manifests follow each
    other by their names. A call that was killed is done again by the same call. Answers of reviews
    are not carried over, which is warned of; their runs stay as they are.

    Raises RunError for runs that are fewer than two, not done, damaged, of another model, backend
    or version, or of the same cells, and for an ``out`` that holds anything else; InputError for
    a patient in two spellings; ModelError if their model is gone; DiskError.
    """
    store = RunStore(Path(out))
    check_out(store.folder)
    refuse_foreign(store.folder)
    sources = open_sources([Path(run) for run in runs])
    order = order_of(sources)
    # By content, so that nothing depends on how they were named.
    first = sources[order.stretches[0].source].run
    model = counted_model_of(first)
    if model.card_sha256 != first.record.job.card_sha256:
        raise ModelError(f"{model.folder} has another card than the runs were scored with")
    record = _record_of(sources, first, order.folder)
    with store.locked():
        _refuse_other_run(store, record)
        _warn_of_reviews(sources)
        return _Merger(store, sources, order, model, progress or _silent).write(record)


def _silent(_done: int, _cells: int) -> None:
    pass


def _record_of(sources: Sequence[Source], first: Run, folder: str) -> RunRecord:
    """What is known of the merged run before its cells are there; no digest yet."""
    left_out: Counter[str] = Counter()
    for source in sources:
        left_out.update(source.run.record.left_out_files or {})
    return replace(
        first.record,
        job=replace(first.record.job, input=folder),
        manifest_sha256="",
        started=min(source.run.record.started for source in sources),
        state="running",
        left_out_files=dict(sorted(left_out.items())) or None,
        counts=None,
        repeated_images=None,
        unstained=None,
        unidentified=None,
        session=None,
        finished=None,
        audit_head=None,
    )


def _refuse_other_run(store: RunStore, record: RunRecord) -> None:
    """RunError if the folder holds a run, but for the beginning of this very one."""
    if not store.is_begun:
        return
    begun = read_record(store.record_path)
    if begun.state == "done":
        raise RunError(f"{store.folder} already holds a finished run: choose another --out")
    refuse_other_job(store.folder, asdict(begun.job), asdict(record.job))


def _warn_of_reviews(sources: Sequence[Source]) -> None:
    if reviewed := [source.run for source in sources if logged_reviews(source.run)]:
        _LOG.warning(
            "reviews are not carried over, their answers stay in %s: review the merged run",
            ", ".join(sorted(str(run.folder) for run in reviewed)),
        )


@dataclass(frozen=True)
class _Merger:
    """Writes the merged run into a folder that is held."""

    store: RunStore
    sources: Sequence[Source]
    order: MergedOrder
    model: Model
    progress: Progress

    def write(self, record: RunRecord) -> Run:
        """Write all of the run; ``record`` lacks what only its files tell."""
        store, job = self.store, record.job
        self._freeze(job.rows_per_part)
        record = replace(record, manifest_sha256=sha256_of(store.manifest_path))
        write_record(store.record_path, record)
        audit = self._audit_of(job)
        cells = store.manifest_row_count()
        first_halves = FirstHalves(cells)
        counts = self._write_parts(audit, job.rows_per_part, first_halves)
        patients.reconcile(counts.accumulator, cells)
        counting = Counting.of(job)
        table = patients.patient_table(counts, self.model, counting, usable_cores())
        patients.write_patients(store.patients_path, table)
        record = replace(
            record,
            **counts.recorded(cells),
            repeated_images=repeated_images(store, counts.names, first_halves),
            state="done",
            finished=now(),
        )
        run = Run(store.folder, record)
        # Of a call that was killed.
        plan_path(run).unlink(missing_ok=True)
        write_report(run)
        digest = sha256_of(store.patients_path)
        audit.append("finish", **asdict(run.counts), patients_sha256=digest)
        record = replace(record, audit_head=audit.head)
        write_record(store.record_path, record)
        return Run(store.folder, record)

    def _freeze(self, rows_per_part: int) -> None:
        """Write the manifest; RunError if a run that was begun has another one."""
        is_begun, record_path = self.store.is_begun, self.store.record_path
        begun = read_record(record_path).manifest_sha256 if is_begun else None

        def write(path: Path) -> None:
            manifest.write_rows(self._manifest_rows(), path, rows_per_part)
            names = manifest.patient_names(path).to_pylist()
            refuse_alike_patients(self.order.folder, names)
            if twice := path_listed_twice(path, self.order.folder):
                raise RunError(f"{twice} is a cell of two of the runs: it would count twice")
            if begun and sha256_of(path) != begun:
                raise RunError(
                    f"{self.store.folder} belongs to another job: it was begun with other cells. "
                    "Choose a new --out"
                )

        write_whole(self.store.manifest_path, write)

    def _manifest_rows(self) -> Iterator[pa.RecordBatch]:
        reader = Reader(self.sources)
        for stretch in self.order.stretches:
            prefix = self.order.prefixes[stretch.source]
            for rows in reader.manifest(stretch.source, stretch.first_row, stretch.rows):
                columns = {name: rows[name] for name in rows.column_names if name != "row"}
                for name in {"path", "shard"}.intersection(columns):
                    columns[name] = from_root(columns[name], prefix)
                yield from pa.table(columns).to_batches()

    def _audit_of(self, job: Job) -> AuditLog:
        audit = AuditLog(self.store.audit_path)
        by_place = dict.fromkeys(stretch.source for stretch in self.order.stretches)
        runs = [self.sources[at].identity for at in by_place]
        audit.append("merge", **asdict(job), runs=runs)
        if audit.parts:  # of a call that was killed
            audit.append("redo", again=sorted(audit.parts))
        return audit

    def _write_parts(
        self, audit: AuditLog, rows_per_part: int, first_halves: FirstHalves
    ) -> patients.PatientCounts:
        """Write and log all parts, note their digests; returns what they come to."""
        names = manifest.patient_names(self.store.manifest_path)
        counts = patients.PatientCounts(names, self.model.scheme)
        done, cells = 0, self.store.manifest_row_count()
        for part, rows in enumerate(manifest.regrouped(self._cells(), rows_per_part)):
            table = self._as_stored(part, rows)
            content = part_content(table)
            self.store.write_part(part, content)
            audit.append_part(part, hashlib.sha256(content).hexdigest(), table["reason"])
            counts.add_part(table)
            first_halves.add(table)
            done += table.num_rows
            self.progress(done, cells)
        for row in self._blamed_rows():
            audit.append("blame", row=row, reason="crashed_decoder")
        return counts

    def _cells(self) -> Iterator[pa.RecordBatch]:
        reader = Reader(self.sources)
        for stretch in self.order.stretches:
            for table in reader.cells(stretch.source, stretch.first_row, stretch.rows):
                yield from table.to_batches()

    def _as_stored(self, part: int, cells: pa.Table) -> pa.Table:
        """``cells`` as scoring would have stored them: what names a row is the manifest's."""
        own = self.store.rows_of(part)
        columns = {name: own[name] for name in ("row", "patient", "path")}
        # As it was before it was written: Parquet gives what is in the lists another name.
        lists = cells["probabilities"].combine_chunks()
        columns["probabilities"] = pa.FixedSizeListArray.from_arrays(
            lists.flatten(), lists.type.list_size
        )
        for name, column in columns.items():
            cells = cells.set_column(cells.column_names.index(name), name, column)
        return cells.combine_chunks()

    def _blamed_rows(self) -> Iterator[int]:
        """New numbers of the rows that the runs' audit logs say to have ended workers."""
        begin = 0
        for stretch in self.order.stretches:
            for row in self.sources[stretch.source].blamed:
                if 0 <= row - stretch.first_row < stretch.rows:
                    yield begin + row - stretch.first_row
            begin += stretch.rows
