"""The files of a run's review: where they lie, and what was applied and came of it."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bloodcell import __version__
from bloodcell.audit import finished_entries
from bloodcell.errors import RunError
from bloodcell.files import sha256_of
from bloodcell.review.answers import Answers, read_answers, run_identity
from bloodcell.review.planned import plan_identity
from bloodcell.run import Run
from bloodcell.store import RunStore, reading

_LOG = logging.getLogger(__name__)

REMEDY = (
    "restore it from a copy; without one, delete it and apply the last answers again, which "
    "computes all patients anew"
)
"""For a table of a review that cannot be read."""

EVENT = "review"
"""In the audit log, of answers that were applied."""


class ReviewFolder:
    """The paths below ``review`` in a run folder."""

    def __init__(self, run_folder: Path) -> None:
        folder = run_folder / "review"
        self.patients_path = folder / "patients.parquet"
        self.cells_path = folder / "cells.parquet"
        self.agreement_path = folder / "agreement.json"
        self.disagreements_path = folder / "disagreements.csv"
        self.answers = folder / "answers"
        """As they were applied, a file each time."""


@dataclass(frozen=True)
class Application:
    """Answers that were applied once."""

    number: int
    """From 1 on, in a run."""
    reviewer: str
    answers: Answers


def applications(run: Run) -> Iterator[Application]:
    """What was applied to the run's results as they are now, in order.

    RunError if the audit log is damaged or a file of answers is gone or not the one in the log.
    """
    folder, identity = ReviewFolder(run.folder).answers, run_identity(run)
    for entry in logged_reviews(run):
        path = folder / entry["file"]
        if not path.is_file() or sha256_of(path) != entry["answers_sha256"]:
            raise RunError(f"{path} is missing or not the file that the audit log names")
        answers = read_answers(path)
        if answers.run == identity:
            yield Application(entry["number"], entry["reviewer"], answers)


def logged_reviews(run: Run) -> list[dict[str, Any]]:
    """The audit log's entries of answers that were applied; RunError if it is damaged."""
    path = RunStore(run.folder).audit_path
    entries = finished_entries(path) if path.exists() else ()
    logged = [entry for entry in entries if entry["event"] == EVENT]
    if any(not _is_of_review(entry) for entry in logged):
        raise RunError(f"{path} has a line of a review that lacks an entry, or has a wrong one")
    return logged


def _is_of_review(entry: dict[str, Any]) -> bool:
    texts = [entry.get(name) for name in ("time", "reviewer", "file", "answers_sha256")]
    if type(entry.get("number")) is not int or not all(isinstance(one, str) for one in texts):
        return False
    return "/" not in entry["file"]  # or it would lead out of the folder


def reviewed_patients(run: Run) -> dict[str, dict[str, Any]]:
    """Rows of ``review/patients.parquet`` by patient; RunError if the table is damaged.

    Empty if nothing was reviewed, or if the run's results were counted anew since.
    """
    table = _read(run, ReviewFolder(run.folder).patients_path)
    return {row["patient"]: row for row in table.to_pylist()} if table else {}


def of_other_versions(run: Run) -> dict[str, str]:
    """Patients whose rows another version computed, which may do so otherwise, and which it was."""
    return {
        name: row.get("version") or "one that noted none"
        for name, row in reviewed_patients(run).items()
        if row.get("version") != __version__
    }


def reviewed_cells(run: Run) -> pa.Table | None:
    """``review/cells.parquet``, likewise; None where ``reviewed_patients`` is empty."""
    return _read(run, ReviewFolder(run.folder).cells_path)


def belongs_to(run: Run) -> dict[bytes, bytes]:
    """What the metadata of tables of a review say: which results and plan they are of."""
    return {b"run": run_identity(run).encode(), b"plan": plan_identity(run).encode()}


def _read(run: Run, path: Path) -> pa.Table | None:
    if not path.exists():
        return None
    with reading(path, REMEDY):
        table = pq.read_table(path, partitioning=None)
    if (table.schema.metadata or {}).get(b"run") != run_identity(run).encode():
        _LOG.warning("%s is of results that were counted anew since: it counts for nothing", path)
        return None
    return table
