"""What a run's review has come to so far: the plan, the answers, the results that were signed."""

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bloodcell.review.answers import run_identity
from bloodcell.review.folder import applications, logged_reviews, reviewed_cells, reviewed_patients
from bloodcell.review.planned import plan_identity, read_plan
from bloodcell.review.standing import Standing
from bloodcell.run import Run
from bloodcell.scheme import CANNOT_TELL


class Reviews:
    """The tables below ``review`` of one run, by patient; empty where nothing was reviewed.

    ``plan``, ``cells``: as the files of these names; ``results``: see ``reviewed_patients``;
    ``remarks``: those that stand, by patient and reviewer; ``times``: when each file of answers was
    applied, by its number.
    """

    def __init__(
        self,
        run_identity: str,
        plan_identity: str,
        plan: pa.Table,
        results: dict[str, dict[str, Any]] | None = None,
        cells: pa.Table | None = None,
        *,
        remarks: dict[str, dict[str, str]] | None = None,
        times: dict[int, str] | None = None,
    ) -> None:
        self.run_identity, self.plan_identity = run_identity, plan_identity
        self._plan = _by_patient(plan.to_pylist())
        self._results, self._times = results or {}, times or {}
        self._remarks = remarks or {}
        self._answers = _by_patient(cells.to_pylist() if cells else [])

    def of(self, patient: str) -> dict[str, Any]:
        """The row of ``review/patients.parquet``; empty if there is none."""
        return self._results.get(patient, {})

    @cached_property
    def standing(self) -> dict[str, int]:
        """The number of the last file of answers that names a patient, of those reviewed.

        A draft and its signature hold for one such number.
        """
        return {name: row["last_answers"] for name, row in self._results.items()}

    def applied_at(self, patient: str) -> str:
        """When the last answers were applied, as the audit log has it; "" if none were."""
        return self._times.get(self.standing.get(patient, 0), "")

    def plan_of(self, patient: str) -> list[dict[str, Any]]:
        """The cells to look at, the first one first."""
        return self._plan.get(patient, [])

    def remarks_of(self, patient: str) -> dict[str, str]:
        """By reviewer, the latest last."""
        return self._remarks.get(patient, {})

    def not_told(self, patient: str) -> int:
        """How many cells readers cannot tell what they are."""
        return list(self.answers_of(patient).values()).count(CANNOT_TELL)

    def answers_of(self, patient: str) -> dict[int, str]:
        """What each cell that was looked at counts as, or CANNOT_TELL, by row."""
        return {a["row"]: a["counts_as"] for a in self._answers.get(patient, [])}

    def readings_of(self, patient: str) -> dict[int, dict[str, str]]:
        """What each reviewer said of each cell that was looked at, by row."""
        readings: dict[int, dict[str, str]] = {}
        for answer in self._answers.get(patient, []):
            readings.setdefault(answer["row"], {})[answer["reviewer"]] = answer["reviewed_class"]
        return readings

    def answered(self, planned: list[dict[str, Any]]) -> int:
        """How many of some planned cells have an answer."""
        return sum(cell["row"] in self._answered_rows for cell in planned)

    def disputed(self, patient: str) -> list[int]:
        """Rows that need a further reading."""
        return sorted({a["row"] for a in self._answers.get(patient, []) if a["disputed"]})

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """All cells that were planned or answered, (W,)."""
        planned = [cell["row"] for cells in self._plan.values() for cell in cells]
        return np.array([*planned, *self._answered_rows], np.int64)

    @cached_property
    def _answered_rows(self) -> set[int]:
        return {answer["row"] for answers in self._answers.values() for answer in answers}


def reviews_of(run: Run) -> Reviews:
    """Those that the run's folder has; RunError if a file is damaged."""
    results = reviewed_patients(run)
    logged = logged_reviews(run) if results else []
    return Reviews(
        run_identity(run),
        plan_identity(run),
        read_plan(run),
        results,
        reviewed_cells(run),
        remarks=Standing(run, list(applications(run))).remarks() if results else {},
        times={entry["number"]: entry["time"] for entry in logged},
    )


def _by_patient(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    by_patient: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_patient.setdefault(row["patient"], []).append(row)
    return by_patient
