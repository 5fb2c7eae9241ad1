"""Applying answers: the shares they make of a run, and what is kept of them in its folder."""

import logging
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bloodcell.audit import AuditLog, finished_entries
from bloodcell.errors import InputError, RunError
from bloodcell.files import sha256_of, write_whole, writing, writing_together
from bloodcell.paths import readable_name
from bloodcell.review import CELLS_OF_A_ROUND
from bloodcell.review.answers import Answers, as_json, check_answers
from bloodcell.review.folder import (
    EVENT,
    Application,
    ReviewFolder,
    applications,
    belongs_to,
    logged_reviews,
    of_other_versions,
    reviewed_cells,
    reviewed_patients,
)
from bloodcell.review.history import check_against_earlier
from bloodcell.review.plan import plan_review
from bloodcell.review.planned import plan_path, read_plan, with_identity
from bloodcell.review.standing import Before, Standing, not_told_by_patient
from bloodcell.run import Run, open_run
from bloodcell.run_record import write_record
from bloodcell.store import RunStore

_LOG = logging.getLogger(__name__)

_LONGEST_NAME = 200

_STAY = "they stay as they are until answers name these patients again"
_COMPUTED_ANEW = (
    "this one computes them anew, for review/cells.parquet is gone or the plan was made anew"
)


@dataclass(frozen=True)
class Applied:
    """What has come of answers that were applied."""

    run: Run
    patients: list[dict[str, Any]]
    """Rows of ``review/patients.parquet``, of the patients that the answers name."""
    agreement: list[dict[str, Any]]
    """Of each two reviewers of the run; see ``agreements``."""
    disputed: list[tuple[str, int]]
    """Patient and row of each cell of the run that needs a further reading."""
    waiting: dict[str, int]
    """Of the named patients that are not final, planned cells without an answer, if there are."""
    not_told: dict[str, int]
    """Of the named patients, cells of which readers cannot tell what they are, if there are."""

    def entries(self) -> dict[str, Any]:
        """All of it but the run, as JSON has it."""
        return {
            "patients": {row["patient"]: row for row in self.patients},
            "agreement": self.agreement,
            "disputed": [{"patient": name, "row": row} for name, row in self.disputed],
            "waiting": self.waiting,
            "cannot_tell": self.not_told,
        }


def apply_answers(run: Run, answers: Answers, reviewer: str, source: str) -> Applied:
    """Apply ``answers`` of ``reviewer`` to ``run``; ``source`` is what messages call them.

    Plans the next round of the named patients whose result is not final. What the network made of
    the run is not touched. The reviewed tables are a function of all answers that were applied, so
    that what a kill leaves half done the next call mends.

    Raises InputError, with nothing changed, for a name that is none or answers that do not fit
    (``check_answers``, ``check_against_earlier``); RunError for a run that is in use or damaged;
    DiskError.
    """
    name = _checked_name(reviewer, answers.reviewer, source)
    with RunStore(run.folder).locked():
        run = open_run(run.folder)
        check_answers(run, answers, source)
        audit = _audit_of(run)
        this = Application(len(logged_reviews(run)) + 1, name, replace(answers, reviewer=name))
        earlier = list(applications(run))
        check_against_earlier(earlier, this, source)
        standing = Standing(run, [*earlier, this], _before(run, answers.patients))
        tables = _tables(run, standing, this)
        run = _write(run, standing, this, tables, audit)
    named = [row for row in tables.patients.to_pylist() if row["patient"] in answers.patients]
    waiting = _waiting(tables, [row["patient"] for row in named if row["status"] != "final"])
    cannot_tell = not_told_by_patient(tables.cells)
    not_told = {name: cannot_tell[name] for name in answers.patients if cannot_tell[name]}
    return Applied(run, named, standing.agreement(), standing.disputed(), waiting, not_told)


@dataclass(frozen=True)
class _Tables:
    """What an application makes of a review."""

    cells: pa.Table
    patients: pa.Table
    plan: pa.Table


def _before(run: Run, named: Collection[str]) -> Before:
    """What earlier applications came to; nothing if they were of another plan.

    ``named``: patients whose rows are computed anew in any case.
    """
    cells, others = reviewed_cells(run), of_other_versions(run).keys() - set(named)
    holds = cells is not None and cells.schema.metadata == belongs_to(run)
    if others:
        _LOG.warning(
            "another version of bloodcell computed reviewed results, of %d patients: %s",
            len(others), _STAY if holds else _COMPUTED_ANEW,
        )  # fmt: skip
    if cells is None or not holds:
        return Before()
    classes = dict(zip(cells["row"].to_pylist(), cells["class"].to_pylist(), strict=True))
    return Before(classes, reviewed_patients(run))


def _tables(run: Run, standing: Standing, this: Application) -> _Tables:
    plan = read_plan(run)
    cells = standing.cells(set(plan["row"].to_pylist()))
    patients = standing.patients(cells)
    is_final = pc.equal(patients["status"], "final")
    open_ones = patients["patient"].filter(pc.invert(is_final)).to_pylist()
    # Without a plan the report writes the first one, of all patients.
    if plan_path(run).exists():
        asked = set(open_ones) & set(this.answers.patients)
        plan = plan_review(run, CELLS_OF_A_ROUND, asked, cells, this.number)
    return _Tables(cells, patients, plan)


def _waiting(tables: _Tables, names: list[str]) -> dict[str, int]:
    """How many planned cells have no answer, of those of the patients ``names`` that have such."""
    is_answered = pc.is_in(tables.plan["row"], value_set=tables.cells["row"])
    waits = Counter(tables.plan["patient"].filter(pc.invert(is_answered)).to_pylist())
    return {name: waits[name] for name in names if waits[name]}


def _write(
    run: Run, standing: Standing, this: Application, tables: _Tables, audit: AuditLog
) -> Run:
    """Write all files of the review; returns the run as it is then."""
    folder, store = ReviewFolder(run.folder), RunStore(run.folder)
    agreement, disagreements = standing.agreement_json(), standing.disagreements_csv()
    answers = folder.answers / f"{this.number:03d}-{readable_name(this.reviewer)}.json"
    with writing(folder.answers):
        folder.answers.mkdir(parents=True, exist_ok=True)
        # Answers count from their line in the log on: what lies there without one was cut short.
        for left in folder.answers.glob(f"{this.number:03d}-*"):
            left.unlink()
    writers: dict[Path, Callable[[Path], object]] = {
        # Before the cells: after a kill between them nothing of this table is taken over.
        folder.patients_path: lambda path: pq.write_table(tables.patients, path),
        folder.cells_path: lambda path: pq.write_table(tables.cells, path),
        folder.agreement_path: lambda path: path.write_bytes(agreement),
        folder.disagreements_path: lambda path: path.write_bytes(disagreements),
    }
    if plan_path(run).exists():
        plan = with_identity(run, tables.plan)
        writers[plan_path(run)] = lambda path: pq.write_table(plan, path)
    with writing_together(writers):
        write_whole(answers, lambda path: path.write_text(as_json(this.answers), "utf-8"))
        audit.append(
            EVENT,
            number=this.number,
            reviewer=this.reviewer,
            file=answers.name,
            answers_sha256=sha256_of(answers),
            cells=sum(len(one.answers) for one in this.answers.patients.values()),
            signed=sum(one.sign for one in this.answers.patients.values()),
        )
    record = replace(run.record, audit_head=audit.head)
    write_record(store.record_path, record)
    return Run(run.folder, record)


def _audit_of(run: Run) -> AuditLog:
    """The run's log, whole to its end; RunError if it is not.

    A kill or a full disk may have come within its last line, of a review, or before ``run.json``.
    """
    path = RunStore(run.folder).audit_path
    if run.record.audit_head is None:
        raise RunError(f"{path} is none, which a review is kept in: score again into a new folder")
    audit, last = AuditLog(path), None
    for last in finished_entries(path):  # noqa: B007 - the last one is asked for
        pass
    follows = last is not None and last["event"] == EVENT and last["previous"]
    if run.record.audit_head not in (audit.head, follows):
        raise RunError(
            f"{path} does not end as run.json says: lines are missing or were added. "
            "`bloodcell verify` says more"
        )
    return audit


def _checked_name(given: str, in_file: str, source: str) -> str:
    """The reviewer's name; InputError if it is none, or not the one in the file."""
    name = given.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise InputError(
            f"{given[:_LONGEST_NAME]!r} is no name of a reviewer: letters are expected, at most "
            f"{_LONGEST_NAME}"
        )
    if in_file.strip() not in ("", name):
        raise InputError(f"{source} holds the answers of {in_file.strip()!r}, not of {name!r}")
    return name
