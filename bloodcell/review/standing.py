"""How cells and patients stand after all answers that were applied: a function of these."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bloodcell import __version__
from bloodcell.bands import BANDS
from bloodcell.patients import as_csv
from bloodcell.review.agreement import agreements, settled_class
from bloodcell.review.estimate import reviewed_shares
from bloodcell.review.folder import Application, belongs_to
from bloodcell.run import Run
from bloodcell.scheme import CANNOT_TELL
from bloodcell.shares import ADJUSTED

_CELLS = pa.schema(
    [
        ("patient", pa.string()),
        ("row", pa.int64()),
        ("class", pa.string()),
        ("reviewed_class", pa.string()),
        ("reviewer", pa.string()),
        ("counts_as", pa.string()),
        ("disputed", pa.bool_()),
        ("planned", pa.bool_()),
    ]
)
_PATIENTS = [
    ("patient", pa.string()),
    ("status", pa.string()),
    ("corrected", pa.bool_()),
    ("reviewers", pa.list_(pa.string())),
    ("signed_by", pa.list_(pa.string())),
    ("comment", pa.string()),
    ("last_answers", pa.int32()),
    ("cells_looked_at", pa.int64()),
    ("cells_disputed", pa.int64()),
    *((column, pa.float64()) for column in (*ADJUSTED, *BANDS)),
    ("basis", pa.string()),
    ("version", pa.string()),
]


@dataclass
class _Patient:
    """One patient, while applications are gone through in order."""

    votes: dict[int, dict[str, str]] = field(default_factory=dict)
    """By row, then by reviewer, the latest last."""
    reviewers: dict[str, bool] = field(default_factory=dict)
    """Who looked at the patient, and whether they signed when they last did."""
    is_signed: bool = False
    """By the last who looked."""
    remarks: dict[str, str] = field(default_factory=dict)
    """By reviewer, the latest last."""
    last_answers: int = 0
    signed_as: list[dict[int, str]] = field(default_factory=list)
    """What the cells counted as, each time that the patient became final."""
    signatures: dict[str, dict[int, str]] = field(default_factory=dict)
    """By who signed, what the cells counted as then."""

    def apply(self, application: Application, patient: str) -> None:
        own = application.answers.patients[patient]
        for row, code in own.answers.items():
            votes = self.votes.setdefault(row, {})
            votes.pop(application.reviewer, None)
            if code is not None:
                votes[application.reviewer] = code
            elif not votes:
                del self.votes[row]
        self.reviewers[application.reviewer] = self.is_signed = own.sign
        if own.comment != "":
            self.remarks.pop(application.reviewer, None)
        if own.comment:
            self.remarks[application.reviewer] = own.comment
        self.last_answers = application.number
        if self.status == "final":
            self.signed_as.append(self.classes)
        if own.sign:
            self.signatures[application.reviewer] = self.classes

    @property
    def classes(self) -> dict[int, str]:
        """What each cell counts as, or CANNOT_TELL; a disputed one as the latest answer says."""
        return {
            row: settled_class(votes) or list(votes.values())[-1]
            for row, votes in self.votes.items()
        }

    @property
    def comment(self) -> str:
        """The remarks that stand; of several readers each with the name."""
        if len(self.remarks) == 1:
            return next(iter(self.remarks.values()))
        return "; ".join(f"{who}: {remark}" for who, remark in self.remarks.items())

    @property
    def signed_by(self) -> list[str]:
        """Who signed what the cells count as now: nobody signs what others answer later."""
        classes = self.classes
        return [
            who
            for who, signed in self.reviewers.items()
            if signed and self.signatures[who] == classes
        ]

    @property
    def disputed(self) -> list[int]:
        """Rows that are still open."""
        return [row for row, votes in self.votes.items() if settled_class(votes) is None]

    @property
    def status(self) -> str:
        if self.disputed:
            return "disputed"
        return "final" if self.is_signed else "preliminary"


@dataclass(frozen=True)
class Before:
    """Tables of earlier applications, of the same results and plan: what they say still holds."""

    classes: Mapping[int, str] = field(default_factory=dict)
    """By row, what the network called the cells."""
    patients: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """Rows of ``review/patients.parquet``."""


class Standing:
    """After ``applications``, in their order.

    Of patients that none of them names since ``before`` nothing is computed again.
    """

    def __init__(
        self, run: Run, applications: Sequence[Application], before: Before | None = None
    ) -> None:
        self._run, self._codes, self._before = run, run.scheme.codes, before or Before()
        patients: dict[str, _Patient] = {}
        for application in applications:
            for name in application.answers.patients:
                patients.setdefault(name, _Patient()).apply(application, name)
        self._patients = dict(sorted(patients.items()))

    def votes(self) -> dict[tuple[str, int], dict[str, str]]:
        """By patient and row, the class that each reviewer gave last."""
        return {
            (name, row): votes
            for name, patient in self._patients.items()
            for row, votes in sorted(patient.votes.items())
        }

    def agreement(self) -> list[dict[str, Any]]:
        """Of each two reviewers; see ``agreements``."""
        return agreements(self.votes().values())

    def disputed(self) -> list[tuple[str, int]]:
        """Patient and row of each cell that needs a further reading."""
        return [(name, row) for name, one in self._patients.items() for row in sorted(one.disputed)]

    def agreement_json(self) -> bytes:
        """What ``review/agreement.json`` holds."""
        return f"{json.dumps(self.agreement(), indent=2, ensure_ascii=False)}\n".encode()

    def disagreements_csv(self) -> bytes:
        """What ``review/disagreements.csv`` holds: the cells that need a further reading."""
        votes, disputed = self.votes(), self.disputed()
        paths = self._run.cells_at([row for _, row in disputed], ["path"])
        readings = ["; ".join(map(": ".join, votes[cell].items())) for cell in disputed]
        return as_csv(
            pa.table(
                {
                    "patient": pa.array([name for name, _ in disputed], pa.string()),
                    "row": pa.array([row for _, row in disputed], pa.int64()),
                    "path": pa.array([paths[row]["path"] for _, row in disputed], pa.string()),
                    "readings": pa.array(readings, pa.string()),
                }
            )
        )

    def remarks(self) -> dict[str, dict[str, str]]:
        """By patient and reviewer, the remarks that stand; patients without one are left out."""
        return {name: one.remarks for name, one in self._patients.items() if one.remarks}

    def cells(self, planned_rows: Set[int]) -> pa.Table:
        """``review/cells.parquet``, a row a cell and reviewer.

        ``planned_rows`` are those that were drawn for the review.
        """
        called = self._called()
        rows = [
            {
                "patient": name,
                "row": row,
                "class": called[row],
                "reviewed_class": code,
                "reviewer": reviewer,
                "counts_as": counts_as,
                "disputed": settled_class(patient.votes[row]) is None,
                "planned": row in planned_rows,
            }
            for name, patient in self._patients.items()
            for row, counts_as in sorted(patient.classes.items())
            for reviewer, code in patient.votes[row].items()
        ]
        return self._of_run(pa.Table.from_pylist(rows, schema=_CELLS))

    def patients(self, cells: pa.Table) -> pa.Table:
        """``review/patients.parquet`` of ``cells``: shares, counts and status."""
        still = {name: row for name, row in self._before.patients.items() if self._holds(row)}
        changed = pa.array([name for name in self._patients if name not in still], pa.string())
        cells = told(as_they_count(cells.filter(pc.is_in(cells["patient"], value_set=changed))))
        planned = cells.filter(cells["planned"]).select(["patient", "row"])
        shares = reviewed_shares(self._run, cells, planned).to_pylist()
        share_of = {row["patient"]: row for row in shares}
        network = {row["patient"]: row for row in self._run.patients.to_pylist()}
        corrected = _corrections(cells)
        rows = [
            still.get(name)
            or self._row(name, patient, share_of.get(name, {}), network[name])
            | {
                f"n_{code}": network[name][f"n_{code}"] + corrected[name, code]
                for code in self._codes
            }
            for name, patient in self._patients.items()
        ]
        counts = [(f"n_{code}", pa.int64()) for code in self._codes]
        return self._of_run(pa.Table.from_pylist(rows, schema=pa.schema([*_PATIENTS, *counts])))

    def _called(self) -> dict[int, str]:
        """By row, what the network called the cells that were answered."""
        known = self._before.classes
        rows = [row for _, row in self.votes() if row not in known]
        asked = self._run.cells_at(rows, ["class"])
        return {**known, **{row: cell["class"] for row, cell in asked.items()}}

    def _holds(self, row: dict[str, Any]) -> bool:
        """Whether a row of before is of a patient that was not named since."""
        patient = self._patients.get(row["patient"])
        return patient is not None and patient.last_answers == row["last_answers"]

    def _of_run(self, table: pa.Table) -> pa.Table:
        return table.replace_schema_metadata(belongs_to(self._run))

    def _row(
        self, name: str, patient: _Patient, share: dict[str, Any], network: dict[str, Any]
    ) -> dict[str, Any]:
        """``share``: of ``reviewed_shares``, empty if no cell was looked at."""
        of_share = share or network
        return {
            "patient": name,
            "status": patient.status,
            "corrected": any(classes != patient.classes for classes in patient.signed_as),
            "reviewers": list(patient.reviewers),
            "signed_by": patient.signed_by,
            "comment": patient.comment,
            "last_answers": patient.last_answers,
            "cells_looked_at": share.get("cells_looked_at", 0),
            "cells_disputed": len(patient.disputed),
            **{column: of_share.get(column) for column in (*ADJUSTED, *BANDS)},
            "basis": share.get("basis"),
            "version": __version__,
        }


def as_they_count(cells: pa.Table) -> pa.Table:
    """Each cell once, with the class that counts as its ``reviewed_class``."""
    once = cells.take(np.unique(cells["row"].to_numpy(), return_index=True)[1])
    place = once.schema.get_field_index("reviewed_class")
    return once.set_column(place, "reviewed_class", once["counts_as"])


def told(cells: pa.Table) -> pa.Table:
    """Those of ``as_they_count`` of which a reader could tell what they are."""
    return cells.filter(pc.not_equal(cells["reviewed_class"], CANNOT_TELL))


def not_told_by_patient(cells: pa.Table) -> Counter[str]:
    """How many cells of ``review/cells.parquet`` readers cannot tell what they are, by patient."""
    once = as_they_count(cells)
    return Counter(
        once.filter(pc.equal(once["reviewed_class"], CANNOT_TELL))["patient"].to_pylist()
    )


def _corrections(cells: pa.Table) -> Counter[tuple[str, str]]:
    """By patient and class, by how many cells the network's count is wrong."""
    corrections: Counter[tuple[str, str]] = Counter()
    for cell in cells.to_pylist():
        corrections[cell["patient"], cell["class"]] -= 1
        corrections[cell["patient"], cell["reviewed_class"]] += 1
    return corrections
