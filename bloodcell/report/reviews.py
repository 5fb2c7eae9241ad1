"""What a run's review has come to so far: the plan, the answers, the results that were signed."""

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from bloodcell.review.answers import plan_digest, run_identity
from bloodcell.review.plan import read_plan
from bloodcell.run import Run
from bloodcell.store import reading


class Reviews:
    """The tables below ``review`` of one run, by patient; empty where nothing was reviewed."""

    def __init__(self, run: Run) -> None:
        self.run_identity, self.plan_digest = run_identity(run), plan_digest(run)
        self._plan = _by_patient(read_plan(run).to_pylist())
        self._results = {row["patient"]: row for row in _rows_of(run, "patients.parquet")}
        self._answers = _by_patient(_rows_of(run, "cells.parquet"))

    def of(self, patient: str) -> dict[str, Any]:
        """The row of ``review/patients.parquet``; empty if there is none."""
        return self._results.get(patient, {})

    def plan_of(self, patient: str) -> list[dict[str, Any]]:
        """The cells to look at, the first one first."""
        return self._plan.get(patient, [])

    def answers_of(self, patient: str) -> list[dict[str, Any]]:
        """Row, class and reviewer of each answer that was applied."""
        return [
            {"row": a["row"], "class": a["reviewed_class"], "reviewer": a["reviewer"]}
            for a in self._answers.get(patient, [])
        ]

    def answered(self, planned: list[dict[str, Any]]) -> int:
        """How many of some planned cells have an answer."""
        return sum(cell["row"] in self._answered_rows for cell in planned)

    def disputed(self, patient: str) -> list[int]:
        """Rows whose readers see different classes."""
        classes: dict[int, set[str]] = {}
        for answer in self._answers.get(patient, []):
            classes.setdefault(answer["row"], set()).add(answer["reviewed_class"])
        return sorted(row for row, seen in classes.items() if len(seen) > 1)

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """All cells that were planned or answered, (W,)."""
        planned = [cell["row"] for cells in self._plan.values() for cell in cells]
        return np.array([*planned, *self._answered_rows], np.int64)

    @cached_property
    def _answered_rows(self) -> set[int]:
        return {answer["row"] for answers in self._answers.values() for answer in answers}


def _rows_of(run: Run, name: str) -> list[dict[str, Any]]:
    path = run.folder / "review" / name
    if not path.exists():
        return []
    with reading(path, "apply the last answers again to write it anew"):
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def _by_patient(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    by_patient: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_patient.setdefault(row["patient"], []).append(row)
    return by_patient
