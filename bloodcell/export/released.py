"""What a review has released of each patient: the result as it was signed last.

HL7's tables 0085 and 0123 say of a final result that only a corrected one can change it, and FHIR's
statuses after ``final`` are all of changes to it. So answers that nobody has signed yet take
nothing back: until somebody signs, what was signed last stays released. It is computed again from
the answers that the audit log names.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from bloodcell.errors import RunError
from bloodcell.review.folder import (
    Application,
    ReviewFolder,
    applications,
    reviewed_cells,
    reviewed_patients,
)
from bloodcell.review.planned import read_plan
from bloodcell.review.standing import Before, Standing, as_they_count, not_told_by_patient, told
from bloodcell.run import Run

Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Released:
    """Of one patient whom a reader looked at."""

    row: Row
    """As of ``review/patients.parquet``: of when it was signed last, else as it stands."""
    cells_corrected: int
    """Of the cells looked at, those that count as another class than the network's."""
    cells_not_told: int
    """Of which the readers who looked cannot tell what they are: none of the cells looked at."""
    pending: str
    """What may change it: answers given since it was signed; "" if there are none."""


def released(run: Run) -> dict[str, Released]:
    """By patient; RunError if tables or answers of the review are damaged or gone."""
    now, cells = reviewed_patients(run), reviewed_cells(run)
    if not now:
        return {}
    if cells is None:
        path = ReviewFolder(run.folder).cells_path
        raise RunError(f"{path} is missing: apply the last answers again")
    unsigned = {name: row for name, row in now.items() if row["status"] != "final"}
    signed = _as_signed(run, unsigned, cells)
    as_it_stands = {
        name: Released(row, *counts, "") for name, row, counts in _with_counts(now.values(), cells)
    }
    return as_it_stands | signed


def _as_signed(run: Run, unsigned: Mapping[str, Row], cells: pa.Table) -> dict[str, Released]:
    """Those of ``unsigned`` patients who were final once, as they were then.

    ``cells``: what ``reviewed_cells`` has.
    """
    until_signed = {
        name: kept
        for name, own in _by_patient(run, unsigned).items()
        if (kept := _until_signed(run, own))
    }
    if not until_signed:
        return {}
    classes = dict(zip(cells["row"].to_pylist(), cells["class"].to_pylist(), strict=True))
    kept = [one for own in until_signed.values() for one in own]
    standing = Standing(run, kept, Before(classes))
    planned = set(cells.filter(cells["planned"])["row"].to_pylist())
    then = standing.cells(planned - _drawn_since(run, until_signed))
    rows = standing.patients(then).to_pylist()
    return {
        name: Released(row, *counts, _pending(unsigned[name]))
        for name, row, counts in _with_counts(rows, then)
    }


def _by_patient(run: Run, unsigned: Mapping[str, Row]) -> dict[str, list[Application]]:
    """Of each of these patients what was applied, in order, without the other patients."""
    by_patient: dict[str, list[Application]] = defaultdict(list)
    for one in applications(run) if unsigned else ():
        for name in one.answers.patients.keys() & unsigned.keys():
            # After a kill the log may be ahead of the tables, which the next answers mend.
            if one.number <= unsigned[name]["last_answers"]:
                of_patient = replace(one.answers, patients={name: one.answers.patients[name]})
                by_patient[name].append(replace(one, answers=of_patient))
    return by_patient


def _drawn_since(run: Run, until_signed: Mapping[str, list[Application]]) -> set[int]:
    """Rows that were drawn only after these patients were signed: clicked, if answered before."""
    signed = {name: own[-1].number for name, own in until_signed.items()}
    plan = read_plan(run).select(["patient", "row", "after_answers"]).to_pylist()
    # Plans of before do not say when a cell was drawn.
    return {
        one["row"]
        for one in plan
        if one["patient"] in signed and (one["after_answers"] or 0) >= signed[one["patient"]]
    }


def _until_signed(run: Run, own: list[Application]) -> list[Application]:
    """``own`` of one patient up to those that made it final last; none if none did."""
    for count in range(len(own), 0, -1):
        (answers,) = own[count - 1].answers.patients.values()
        if answers.sign and not Standing(run, own[:count]).disputed():
            return own[:count]
    return []


def _with_counts(
    rows: Iterable[Row], cells: pa.Table
) -> Iterator[tuple[str, Row, tuple[int, int]]]:
    """Patient, row, and how many ``cells`` of theirs are corrected, and cannot be told."""
    corrected, not_told = _cells_corrected(cells), not_told_by_patient(cells)
    for row in rows:
        name = row["patient"]
        yield name, row, (corrected[name], not_told[name])


def _cells_corrected(cells: pa.Table) -> Counter[str]:
    """By patient, of ``review/cells.parquet``."""
    once = told(as_they_count(cells))
    return Counter(
        once.filter(pc.not_equal(once["class"], once["reviewed_class"]))["patient"].to_pylist()
    )


def _pending(row: Row) -> str:
    if row["status"] == "disputed":
        return (
            f"Since this was signed readers came to differ on {row['cells_disputed']} cells: "
            "a further reading may correct it."
        )
    return "Since this was signed answers were given that are not signed: they may correct it."
