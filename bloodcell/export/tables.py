"""The table of patients with what a review made of them: what CSV and XLSX hold."""

from typing import Any

import pyarrow as pa

from bloodcell.export.released import released
from bloodcell.export.results import RESEARCH_USE, status_of
from bloodcell.run import Run

_NOT_AGAIN = ("patient", "status", "corrected", "reviewers", "signed_by", "comment", "last_answers")
"""Columns of a review that are said in another way, or are for bloodcell alone."""


def patients_with_review(run: Run) -> pa.Table:
    """All columns of ``patients.parquet``, then those of the review, null where there was none.

    Of the review: ``status`` as exported, ``reviewers`` and ``signed_by`` in one text each,
    ``comment``, the others with ``reviewed_`` before their names. ``use``: that it is for research.
    """
    table = run.patients
    reviewed = {name: one.row for name, one in released(run).items()}
    rows = [reviewed.get(name) for name in table["patient"].to_pylist()]
    table = table.append_column("status", pa.array([status_of(row) for row in rows]))
    if reviewed:
        for name, column in _columns_of_review(rows).items():
            table = table.append_column(name, column)
    return table.append_column("use", pa.array([RESEARCH_USE] * len(rows)))


def _columns_of_review(rows: list[dict[str, Any] | None]) -> dict[str, pa.Array]:
    def column(name: str) -> list[Any]:
        return [row[name] if row else None for row in rows]

    names = next(list(row) for row in rows if row)
    columns: dict[str, list[Any]] = {
        name: [None if people is None else ", ".join(people) for people in column(name)]
        for name in ("reviewers", "signed_by")
    }
    columns["comment"] = column("comment")
    columns |= {f"reviewed_{name}": column(name) for name in names if name not in _NOT_AGAIN}
    return {name: pa.array(values) for name, values in columns.items()}
