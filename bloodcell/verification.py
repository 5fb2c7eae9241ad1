"""Whether a run folder is whole and says what its cells say: `bloodcell verify`."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from threading import Event
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bloodcell import patients
from bloodcell._core import REASONS
from bloodcell.audit import AuditLog, finished_entries, read_audit
from bloodcell.changed_images import ImageCheck
from bloodcell.engine.machine import usable_cores
from bloodcell.engine.object_store import place_of_name
from bloodcell.errors import BloodcellError, RunError
from bloodcell.files import sha256_of
from bloodcell.input import manifest
from bloodcell.job import said_of_model
from bloodcell.model import Model
from bloodcell.parts import call_columns
from bloodcell.repeated_images import repeated_images, told
from bloodcell.review.check import check_review
from bloodcell.run import Run, open_run
from bloodcell.run_model import counted_model_of
from bloodcell.scheme import Scheme
from bloodcell.shares import Counting
from bloodcell.store import RunStore, reading
from bloodcell.unidentified import probabilities_of

_REMEDY = "restore it from a copy, or run the same `bloodcell score` again"


_SINCE = {"classes": (), "letters": None}
"""What stands for these entries in runs that were scored before there were such."""


@dataclass(frozen=True)
class Finding:
    """One thing that was verified."""

    what: str
    good: bool
    says: str


def verify(
    folder: Path, images_progress: Callable[[int, int], None] | None = None
) -> list[Finding]:
    """Hold the files of a finished run against each other; nothing is written.

    With ``images_progress`` every image is read again, too, and held against its digest; it is
    called with (cells done, cells in all). Raises RunError if ``folder`` is no run, the run is not
    done, or it is of a version that kept no digests of images.
    """
    run = open_run(folder)
    RunStore(run.folder).refuse_without_digests()
    files = _Files(run)
    checks: dict[str, Callable[[], str]] = {
        "manifest": files.check_manifest,
        "model": files.check_model,
        "cells": files.check_cells,
        "counts": files.check_counts,
        "patients": files.check_patients,
        "repeated images": files.check_repeated_images,
        "report": files.check_report,
        "audit log": files.check_audit,
        "review": files.check_review,
    }
    if images_progress is not None:
        checks["images"] = partial(files.check_images, images_progress)
    return [_finding(what, check) for what, check in checks.items()]


def _finding(what: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, check())
    except FileNotFoundError as error:
        return Finding(what, False, f"{error.filename} is missing: {_REMEDY}")
    except (BloodcellError, OSError, pa.ArrowInvalid) as error:
        return Finding(what, False, str(error))


class _Files:
    """Of one run. Each check says what is good, and raises what is not."""

    def __init__(self, run: Run) -> None:
        self._run, self._record, self._store = run, run.record, RunStore(run.folder)

    def check_manifest(self) -> str:
        path = self._manifest_path
        if sha256_of(path) != self._record.manifest_sha256:
            raise RunError(f"{path} is not the file that this run froze")
        return f"{self._manifest_rows} cells"

    def check_model(self) -> str:
        model = self._model
        for name, is_so in said_of_model(model, self._counting).items():
            said = getattr(self._record, name)
            if said != is_so and not (name in _SINCE and said == _SINCE[name]):
                raise RunError(f"run.json and the card of {model.folder} differ in {name}")
        return f"{model.name} {model.version}, of which run.json says what the card does"

    def check_cells(self) -> str:
        classes = self._patient_counts.accumulator.class_counts.shape[1]
        parts = manifest.row_group_count(self._manifest_path)
        return f"{parts} parts of {classes} classes, each row once, scored or rejected"

    def check_counts(self) -> str:
        in_cells = self._patient_counts.counts(self._manifest_rows)
        if self._run.counts != in_cells:
            raise RunError(f"run.json says {self._run.counts}, the cells say {in_cells}")
        unstained = self._patient_counts.unstained_cells()
        if self._record.unstained != unstained:
            raise RunError(
                f"run.json says {self._record.unstained}, the cells that {unstained} lack stain"
            )
        unidentified = int(self._patient_counts.unidentified.sum())
        if self._record.unidentified not in (None, unidentified):
            raise RunError(
                f"run.json says that {self._record.unidentified} cells are unidentified, the cells "
                f"that {unidentified} are"
            )
        return f"{in_cells.scored} scored and {in_cells.cells - in_cells.scored} rejected"

    def check_patients(self) -> str:
        path = self._store.patients_path
        counted = patients.patient_table(self._patient_counts, self._model, self._counting)
        if self._record.unidentified is None:  # a run of before that column
            counted = counted.drop_columns(["unidentified"])
        if not self._run.patients.equals(counted):
            raise RunError(f"{path} is not what the cells come to")
        csv = path.with_suffix(".csv")
        if csv.read_bytes() != patients.as_csv(counted):
            raise RunError(f"{csv} is not the table of {path.name}")
        self._check_logged_patients()
        return f"{counted.num_rows} rows, counted again from the cells"

    def _check_logged_patients(self) -> None:
        """RunError if the file is another one, though its numbers may be the same."""
        path = self._store.patients_path
        if self._record.audit_head is None:  # a run of before there was a log
            return
        entries = finished_entries(self._store.audit_path)
        logged = [one.get("patients_sha256") for one in entries if one["event"] == "finish"]
        if logged and sha256_of(path) != logged[-1]:
            raise RunError(f"{path} is not the file that was logged when the run was finished")

    def check_repeated_images(self) -> str:
        repeated = repeated_images(self._store, self._names)
        if repeated != self._record.repeated_images:
            raise RunError("run.json does not name the images that are there twice")
        return "none" if repeated is None else "; ".join(told(repeated, most=1))

    def check_report(self) -> str:
        path = self._run.folder / "report" / "index.html"
        if not path.is_file():
            raise RunError(f"{path} is missing: bloodcell report writes it")
        return "there"

    def check_audit(self) -> str:
        path, head = self._store.audit_path, self._record.audit_head
        if head is None:
            if path.exists():
                raise RunError(f"run.json has no audit_head, and {path} is there")
            return "none: the run was finished by a version that kept none"
        entries, log = list(read_audit(path)), AuditLog(path)
        if log.head != head:
            raise RunError(f"{path} does not end as run.json says: lines are missing or were added")
        self._check_logged_job(entries)
        for part in range(manifest.row_group_count(self._manifest_path)):
            if sha256_of(self._store.part_path(part)) != log.parts.get(part):
                raise RunError(f"{self._store.part_path(part)} is not the file that was logged")
        self._check_blame(entries)
        restarts = sum(entry["event"] == "restart" for entry in entries)
        lost = f"; {restarts} workers were lost and started anew" if restarts else ""
        return f"{len(entries)} entries, each holding the digest of the one before{lost}"

    def _check_logged_job(self, entries: list[dict[str, Any]]) -> None:
        """RunError if ``run.json`` is of another job than was begun; of what the log has of it."""
        for entry in entries:
            if entry["event"] not in ("begin", "resume", "merge"):
                continue
            for name, said in asdict(self._record.job).items():
                if name in entry and entry[name] != said:
                    raise RunError(
                        f"run.json says that {name} is {said}, {self._store.audit_path} that it "
                        f"was {entry[name]}"
                    )

    def _check_blame(self, entries: list[dict[str, Any]]) -> None:
        """RunError if a cell is said to have ended workers, and the log knows of none."""
        if not self._patient_counts.accumulator.rejected[:, REASONS.index("crashed_decoder")].any():
            return
        blamed = pa.array([one["row"] for one in entries if one["event"] == "blame"], pa.int64())
        for part in range(manifest.row_group_count(self._manifest_path)):
            cells = self._store.read_columns(part, ["row", "reason"])
            rows = cells.filter(pc.equal(cells["reason"], "crashed_decoder"))["row"]
            unknown = rows.filter(pc.invert(pc.is_in(rows, value_set=blamed)))
            if len(unknown):
                raise RunError(
                    f"row {unknown[0]} is rejected as crashed_decoder, and the audit log does not "
                    "tell that it ended a worker"
                )

    def check_images(self, progress: Callable[[int, int], None]) -> str:
        self.check_manifest()  # it names the images
        source = place_of_name(self._record.job.input)
        if isinstance(source, Path) and not source.exists():
            raise RunError(f"{source}, where the images were, is not there")
        check = ImageCheck(manifest.root_of(source), usable_cores(), progress, Event())
        comparison = check.compare(self._store)
        if comparison.changed or comparison.gone:
            raise RunError(str(comparison))
        return f"{comparison.compared} are, byte for byte, what was scored"

    def check_review(self) -> str:
        return check_review(self._run)

    @cached_property
    def _manifest_path(self) -> Path:
        """Of a manifest that can be read; RunError if it cannot."""
        path, remedy = self._store.manifest_path, "restore it from a copy, or score anew"
        if not path.is_file():
            raise RunError(f"{path} is missing, which names the run's cells: {remedy}")
        with reading(path, remedy):
            manifest.row_group_count(path)
        return path

    @cached_property
    def _manifest_rows(self) -> int:
        return int(pq.read_metadata(self._manifest_path).num_rows)

    @cached_property
    def _names(self) -> pa.Array:
        return manifest.patient_names(self._manifest_path)

    @cached_property
    def _model(self) -> Model:
        return counted_model_of(self._run)

    @property
    def _counting(self) -> Counting:
        return Counting.of(self._record.job)

    @cached_property
    def _patient_counts(self) -> patients.PatientCounts:
        """All cells counted anew; RunError for a part that is not there or not as it should be."""
        counts = patients.PatientCounts(self._names, self._model.scheme)
        parts = manifest.row_group_count(self._manifest_path)
        for part in range(parts):
            table = self._store.read_part(part)
            _check_ends(table, self._store.part_path(part))
            _check_calls(table, self._store.part_path(part), self._model.scheme)
            counts.add_part(table)
        foreign = len(self._store.parts()) - parts
        if foreign:
            raise RunError(f"{foreign} files in {self._run.folder / 'cells'} are no parts of it")
        return counts


def _check_ends(part: pa.Table, path: Path) -> None:
    """RunError unless every row is scored without a reason or rejected with one."""
    is_rejected = pc.is_in(part["reason"], value_set=pa.array(REASONS[1:]))
    expected = pc.if_else(is_rejected, "rejected", "scored")
    has_class = pc.is_valid(part["class"])
    good = pc.and_(pc.equal(part["status"], expected), pc.not_equal(is_rejected, has_class))
    if not pc.all(good).as_py():
        raise RunError(f"{path} has rows that are neither scored nor rejected with a reason")


def _check_calls(part: pa.Table, path: Path, scheme: Scheme) -> None:
    """RunError unless ``class`` and ``blast_probability`` are what ``probabilities`` come to."""
    width, classes = part["probabilities"].type.list_size, len(scheme.codes)
    if width != classes:
        raise RunError(f"{path} has {width} probabilities a cell, {scheme.name} {classes} classes")
    rejected = pc.equal(part["status"], "rejected").to_numpy()
    for name, column in call_columns(probabilities_of(part), rejected, scheme).items():
        stored = part[name].combine_chunks()
        if not stored.equals(column):
            either = pc.or_(pc.is_valid(stored), pc.is_valid(column))
            differ = pc.and_(either, pc.fill_null(pc.not_equal(stored, column), fill_value=True))
            raise RunError(
                f"{path} has another {name} than its probabilities come to, in "
                f"{pc.sum(differ).as_py()} of its rows"
            )
