"""Which cells a person should look at: those whose labels tell most about a patient's share."""

import hashlib
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from bloodcell.errors import InputError
from bloodcell.files import write_whole, writing
from bloodcell.review.leukocytes import STRATA, Leukocytes, leukocytes_by_patient
from bloodcell.run import Run
from bloodcell.shares import ADJUSTED
from bloodcell.store import reading

DECISION_LINES = (5.0, 10.0, 20.0)
"""Percent of blasts at which a finding is read another way."""

_SCHEMA = pa.schema(
    [
        ("patient", pa.string()),
        ("order", pa.int32()),
        ("row", pa.int64()),
        ("stratum", pa.int16()),
        ("stratum_cells", pa.int64()),
        ("batch", pa.int32()),
    ]
)


def plan_review(run: Run, cells: int, patient: str | None = None) -> pa.Table:
    """The run's plan with a further batch of at most ``cells`` cells for each patient.

    Columns: ``patient``; ``order``, 1 is looked at first; ``row``; ``stratum`` 0 to 7, by
    log-odds of blast; ``stratum_cells``, the patient's leukocytes in it; ``batch`` from 1 on.
    ``patient``: plan for this one only, what is planned for others stays. Which cells of a stratum
    come first depends on the run's manifest, the model and the patient's name only.

    Raises InputError if ``cells`` is not positive or there is no such patient.
    """
    if cells < 1:
        raise InputError(f"--cells is 1 or more, {cells} given")
    planned = read_plan(run)
    batches = [planned]
    intervals = _intervals(run)
    for name, leukocytes in leukocytes_by_patient(run, patient):
        own = planned.filter(np.asarray(planned["patient"].to_pylist(), object) == name)
        wanted = _wanted(*intervals[name], run.record.job.interval_width, cells)
        batches.append(_next_batch(name, leukocytes, own, wanted, _draw_of(run, name)))
    return pa.concat_tables(batches).sort_by([("patient", "ascending"), ("order", "ascending")])


def plan_path(run: Run) -> Path:
    """Where the plan of a run is."""
    return run.folder / "review" / "plan.parquet"


def read_plan(run: Run) -> pa.Table:
    """The plan written last, without rows if there is none; RunError if it is damaged."""
    path = plan_path(run)
    if not path.exists():
        return _SCHEMA.empty_table()
    with reading(path, "delete it and run `bloodcell review plan` again"):
        return pq.read_table(path, schema=_SCHEMA)


def write_plan(run: Run, plan: pa.Table) -> Path:
    """Write ``review/plan.parquet``; DiskError if it cannot be written."""
    path = plan_path(run)
    with writing(path.parent):
        path.parent.mkdir(exist_ok=True)
    write_whole(path, lambda beside: pq.write_table(plan, beside))
    return path


def _intervals(run: Run) -> dict[str, tuple[float, float]]:
    rows = run.patients.select(["patient", *ADJUSTED[1:]]).to_pylist()
    return {
        row["patient"]: (0.0, 100.0)
        if row[ADJUSTED[1]] is None
        else (row[ADJUSTED[1]], row[ADJUSTED[2]])
        for row in rows
    }


def _wanted(low: float, high: float, interval_width: float, cells: int) -> int:
    """All of ``cells`` if a decision line lies inside, half if it is wide, none if neither."""
    if any(low < line < high for line in DECISION_LINES):
        return cells
    return math.ceil(cells / 2) if high - low > interval_width else 0


def _draw_of(run: Run, patient: str) -> np.random.Generator:
    text = "\n".join((run.record.manifest_sha256, run.record.job.model_sha256, patient))
    return np.random.default_rng(list(hashlib.sha256(text.encode()).digest()))


def _next_batch(
    name: str, leukocytes: Leukocytes, planned: pa.Table, wanted: int, draw: np.random.Generator
) -> pa.Table:
    stratum, before = leukocytes.stratum, planned["row"].to_numpy()
    in_order = draw.permutation(len(stratum))
    in_order = in_order[~np.isin(leukocytes.row[in_order], before)]
    waiting = [in_order[stratum[in_order] == h] for h in range(STRATA)]
    sizes = np.bincount(stratum, minlength=STRATA)
    seen = np.bincount(planned["stratum"].to_numpy(), minlength=STRATA)
    strata = _strata_in_order(leukocytes, sizes, seen, wanted)
    nth = [int((strata[:i] == h).sum()) for i, h in enumerate(strata)]
    places = np.array([waiting[h][n] for h, n in zip(strata, nth, strict=True)], np.int64)
    batch = 1 + (max(planned["batch"].to_pylist()) if len(planned) else 0)
    columns = {
        "patient": [name] * len(places),
        "order": len(planned) + 1 + np.arange(len(places)),
        "row": leukocytes.row[places],
        "stratum": strata,
        "stratum_cells": sizes[strata],
        "batch": [batch] * len(places),
    }
    return pa.table(columns, schema=_SCHEMA)


def _strata_in_order(
    leukocytes: Leukocytes,
    sizes: npt.NDArray[np.int64],
    seen: npt.NDArray[np.int64],
    wanted: int,
) -> npt.NDArray[np.int64]:
    """The stratum of each next cell: one of each stratum, then where it helps most."""
    chance = 1 / (1 + np.exp(-leukocytes.log_odds))
    spread = np.bincount(leukocytes.stratum, chance * (1 - chance) + 0.02, STRATA) * sizes
    taken, strata = seen.copy(), []
    for _ in range(min(wanted, int((sizes - seen).sum()))):
        gain = np.where(taken == 0, 1e9 * sizes, spread / (np.maximum(taken, 1) * (taken + 1)))
        strata.append(int(np.where(taken < sizes, gain, -1).argmax()))
        taken[strata[-1]] += 1
    return np.array(strata, np.int64)
