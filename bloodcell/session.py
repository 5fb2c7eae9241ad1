"""One process's work on a run: score the parts that are missing, then count the patients."""

import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bloodcell import patients
from bloodcell.audit import AuditLog
from bloodcell.engine.device_memory import DeviceMemory
from bloodcell.engine.jpeg_decoders import told
from bloodcell.errors import RunError, Stopped
from bloodcell.files import sha256_of
from bloodcell.input import manifest
from bloodcell.model import Model
from bloodcell.part_scorer import PartScorer
from bloodcell.repeated_images import FirstHalves, repeated_images
from bloodcell.run_record import RunRecord, SessionFigures
from bloodcell.shares import Counting
from bloodcell.source_watch import NOT_READ, SourceWatch
from bloodcell.store import RunStore

_LOG = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called with (cells done, cells in all) after every batch."""


class PartsTaker(Protocol):
    """Works on parts while others are scored."""

    def add(self, part: pa.Table) -> None:
        """Take a part that is whole and on disk; may wait."""

    def patients(self) -> pa.Table | None:
        """What ``patient_table`` says of all patients, if all of them are known."""


@dataclass(frozen=True)
class Session:
    """How this process works on the run; only model and counting change the result."""

    store: RunStore
    model: Model
    counting: Counting
    scorer: PartScorer
    threads: int
    progress: Progress
    watch: SourceWatch
    audit: AuditLog
    retry_rejected: bool = False
    """Whether parts with cells that could not be read are scored anew."""

    def run(self, record: RunRecord, taker: PartsTaker) -> RunRecord:
        """Finish the run; returns ``record`` with its counts and figures. Raises Stopped.

        ``taker`` is given each part that is whole and on disk, kept or new, once.
        """
        names = manifest.patient_names(self.store.manifest_path)
        cells = self.store.manifest_row_count()
        patient_counts = patients.PatientCounts(names, self.model.scheme)
        first_halves = FirstHalves(cells)
        missing, done = [], 0
        for part in range(manifest.row_group_count(self.store.manifest_path)):
            table = self._kept_part(part)
            if table is None:
                missing.append(part)
            else:
                patient_counts.add_part(table)
                first_halves.add(table)
                taker.add(table)
                done += table.num_rows
        if again := [part for part in missing if part in self.audit.parts]:
            # Before: whatever is under their names from now on was scored after this line.
            self.audit.append("redo", again=again)
        _LOG.info("%d of %d cells are finished, %d parts to score", done, cells, len(missing))
        memory = DeviceMemory(self.scorer.devices)
        started = time.monotonic()
        for table in self._score_parts(missing, done, cells, memory):
            patient_counts.add_part(table)
            first_halves.add(table)
            taker.add(table)
        elapsed_s = time.monotonic() - started
        patients.reconcile(patient_counts.accumulator, cells)
        # Before `taker` is asked, which may still be at work on the last patients.
        repeated = repeated_images(self.store, names, first_halves)
        patients.write_patients(
            self.store.patients_path, self._patient_table(patient_counts, taker)
        )
        # A call for which nothing was left keeps the figures of the one that did the work.
        figures = self._figures(cells - done, elapsed_s, memory) if missing else record.session
        return replace(
            record,
            **patient_counts.recorded(cells),
            repeated_images=repeated,
            session=figures,
        )

    def _kept_part(self, part: int) -> pa.Table | None:
        """A finished part; None if its cells are still to be scored."""
        if not self.store.part_path(part).exists():
            return None
        table = self.store.read_part(part)
        not_read = pc.is_in(table["reason"], value_set=pa.array(NOT_READ))
        if self.retry_rejected and pc.any(not_read).as_py():
            return None
        logged = self.audit.parts.get(part)
        if logged is None:  # a kill came between
            digest = sha256_of(self.store.part_path(part))
            self.audit.append_part(part, digest, table["reason"])
        elif logged != sha256_of(self.store.part_path(part)):
            raise RunError(
                f"{self.store.part_path(part)} was changed since it was written: delete it and "
                "score again to redo its cells"
            )
        return table

    def _score_parts(
        self, parts: list[int], done: int, cells: int, memory: DeviceMemory
    ) -> Iterator[pa.Table]:
        """Score and write ``parts``; yields each as it becomes whole."""
        kept = done

        def tell(scored: int) -> None:
            memory.note_first_batch()
            self.progress(done + scored, cells)

        scoring = self.scorer.score(parts, self.store.rows_of, self.audit.append, tell)
        with closing(scoring) as scored:
            for part in scored:
                self.watch.confirm(part.rows, part.reasons)
                self.store.write_part(part.number, part.content)
                digest = hashlib.sha256(part.content).hexdigest()
                self.audit.append_part(part.number, digest, part.table["reason"])
                kept += part.rows.num_rows
                yield part.table
        if kept < cells:
            raise Stopped(self._stopped_message(kept, cells))

    def _patient_table(self, counts: patients.PatientCounts, taker: PartsTaker) -> pa.Table:
        known = taker.patients()
        if known is None:
            return patients.patient_table(counts, self.model, self.counting, self.threads)
        if not np.array_equal(known["scored"].to_numpy(), counts.accumulator.scored):
            raise RunError("patients counted one by one have other cells than counted together")
        return known

    def _stopped_message(self, kept: int, cells: int) -> str:
        return (
            f"stopped: {kept} of {cells} cells are finished and kept in {self.store.folder}; "
            "the same command continues there"
        )

    def _figures(self, scored_now: int, elapsed_s: float, memory: DeviceMemory) -> SessionFigures:
        return SessionFigures(
            cells=scored_now,
            elapsed_s=round(elapsed_s, 3),
            cells_per_s=round(scored_now / elapsed_s, 1),
            batch_size=self.scorer.batch_size,
            threads=self.threads,
            lanes=self.scorer.lane_count,
            device_memory_mib=memory.used_mib(),
            jpeg_decoders=self._jpeg_decoders(),
        )

    def _jpeg_decoders(self) -> str | None:
        workers = len(self.scorer.devices)
        if workers == 0:
            return None
        is_hardware = self.scorer.made_of["jpeg_decoder"] == "hardware"
        return told(max(1, self.threads // workers), hardware_decoder=is_hardware)
