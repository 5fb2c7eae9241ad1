"""Which cells a person should look at: those whose labels tell most about a patient's share."""

import hashlib
import math
from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bloodcell.bands import DECISION_LINES
from bloodcell.errors import InputError
from bloodcell.review.draw import next_places
from bloodcell.review.estimate import reviewed_share
from bloodcell.review.folder import logged_reviews, reviewed_cells
from bloodcell.review.patient import PatientReview, by_patient, by_stratum, reviews
from bloodcell.review.planned import PLAN_SCHEMA, read_plan
from bloodcell.review.standing import as_they_count
from bloodcell.run import Run
from bloodcell.shares import ADJUSTED

_NO_ANSWERS = pa.schema(
    [("patient", pa.string()), ("row", pa.int64()), ("reviewed_class", pa.string())]
).empty_table()


def plan_review(
    run: Run,
    cells: int,
    patients: Collection[str] | None = None,
    reviewed: pa.Table | None = None,
    after_answers: int | None = None,
) -> pa.Table:
    """The run's plan, so that at most ``cells`` cells of each patient wait for an answer.

    As many do where 5, 10 or 20 % lies inside the interval, half as many where that is wider than
    the run's ``interval_width``, and none are added where nothing can change. Which cells, depends
    on the run's manifest and model, the patient's name and the answers given so far: those of
    ``reviewed``, a table as ``review/cells.parquet``, by default that file.

    ``patients``: add cells of these only. Columns: ``patient``; ``order``, 1 is looked at first;
    ``row``; ``stratum`` 0 to 7, by log-odds of blast; ``stratum_cells``, the patient's leukocytes
    in it; ``batch`` from 1 on; ``after_answers``: the number of
    those that were applied last before the cell was drawn, by default as the audit log has it.

    Raises InputError if ``cells`` is not positive or there is no such patient.
    """
    if cells < 1:
        raise InputError(f"--cells is 1 or more, {cells} given")
    if after_answers is None:
        after_answers = len(logged_reviews(run))
    planned, intervals = read_plan(run), _intervals(run)
    own_planned, more = by_patient(planned), [planned]
    for name, review in reviews(run, _answered_cells(run, reviewed), planned, patients):
        interval, trusted = intervals[name], True
        if len(review.answers.row):
            share = reviewed_share(review)
            interval, trusted = (100 * share.low, 100 * share.high), share.basis == "model"
        wanted = cells_wanted(*interval, run.record.job.interval_width, cells)
        waiting = int((~review.is_answered).sum())
        seed = _seed_of(run, name)
        places = next_places(review, max(wanted - waiting, 0), seed, trusted=trusted)
        before = own_planned.get(name, planned.slice(0, 0))["batch"].to_pylist()
        more.append(_batch(name, review, places, before, after_answers))
    return pa.concat_tables(more).sort_by([("patient", "ascending"), ("order", "ascending")])


def cells_wanted(low: float, high: float, interval_width: float, cells: int) -> int:
    """All of ``cells`` if a decision line lies inside, half if it is wide, none if neither.

    Interval and its width up to which it is narrow enough are in percent.
    """
    if any(low < line < high for line in DECISION_LINES):
        return cells
    return math.ceil(cells / 2) if high - low > interval_width else 0


def _answered_cells(run: Run, reviewed: pa.Table | None) -> pa.Table:
    """Answers of ``reviewed``, by default those applied so far, each cell once."""
    cells = reviewed_cells(run) if reviewed is None else reviewed
    return _NO_ANSWERS if cells is None else as_they_count(cells)


def _intervals(run: Run) -> dict[str, tuple[float, float]]:
    """The network's intervals in percent; all is possible where it has none."""
    columns = run.patients.select(["patient", *ADJUSTED[1:]]).to_pydict().values()
    return {
        name: (0.0, 100.0) if low is None else (low, high)
        for name, low, high in zip(*columns, strict=True)
    }


def _seed_of(run: Run, patient: str) -> list[int]:
    text = "\n".join((run.record.manifest_sha256, run.record.job.model_sha256, patient))
    return list(hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest())


def _batch(
    name: str,
    review: PatientReview,
    places: npt.NDArray[np.int64],
    before: list[int],
    after_answers: int,
) -> pa.Table:
    """The cells at ``places``; ``before``: the batch of each cell that was planned before."""
    stratum = review.cells.stratum
    sizes = by_stratum(stratum)
    columns = {
        "patient": [name] * len(places),
        "order": len(before) + 1 + np.arange(len(places)),
        "row": review.cells.row[places],
        "stratum": stratum[places],
        "stratum_cells": sizes[stratum[places]],
        "batch": [1 + max(before, default=0)] * len(places),
        "after_answers": [after_answers] * len(places),
    }
    return pa.table(columns, schema=PLAN_SCHEMA)
