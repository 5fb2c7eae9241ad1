"""Finished runs of drawn log-odds, to plan reviews of."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bloodcell.error_model import Recalibration
from bloodcell.review.answers import run_identity
from bloodcell.run import Run
from bloodcell.shares import IS_ADJUSTED
from helpers.labelled_runs import BLAST, run_of

RECALIBRATION = Recalibration((-0.5, 0.0, 0.0), (0.3, 0.0, 0.0), 1.5, 0.3, 0.1, 100.0)

OTHER, SMUDGE = "lymphocyte", "smudge_cells"


def log_odds_of(cells: int, share: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(cells) < share, rng.normal(3, 2, cells), rng.normal(-4, 2, cells))


def reviewed_run(
    folder: Path,
    log_odds: dict[str, np.ndarray],
    intervals: dict[str, tuple[float, float]],
    adjustment: dict[str, str] | None = None,
) -> Run:
    """A run of patients by name; those without an interval have no adjusted share.

    Cells are called blasts from log-odds 0 on, and every seventh a smudge cell.
    """
    folder.mkdir()
    cells = []
    for patient, values in sorted(log_odds.items()):
        for i, value in enumerate(values):
            called = SMUDGE if i % 7 == 6 else BLAST if value >= 0 else OTHER
            cells.append((f"{patient}/{i}.jpg", patient, called, 1 / (1 + np.exp(-value))))
    shares = {name: (sum(ends) / 2, *ends) for name, ends in intervals.items()}
    run = run_of(folder, cells, shares)
    why = dict.fromkeys(intervals, IS_ADJUSTED) | (adjustment or {})
    reasons = [why.get(name, "no leukocytes") for name in run.patients["patient"].to_pylist()]
    table = run.patients.append_column("adjustment", pa.array(reasons))
    pq.write_table(table, folder / "patients.parquet")
    part = folder / "cells" / "part-00000.parquet"
    rows = pa.array(np.arange(len(cells)))
    pq.write_table(pq.read_table(part).add_column(0, "row", rows), part)
    return Run(folder, replace(run.record, recalibration=RECALIBRATION))


def apply(run: Run, answers: pa.Table) -> None:
    """What applying answers leaves for the next plan."""
    (run.folder / "review").mkdir(exist_ok=True)
    cells = answers.append_column("counts_as", answers["reviewed_class"])
    cells = cells.replace_schema_metadata({"run": run_identity(run)})
    pq.write_table(cells, run.folder / "review" / "cells.parquet")


def answers_to(rows: list[int], patients: list[str], classes: list[str]) -> pa.Table:
    columns = (
        pa.array(patients, pa.string()),
        pa.array(rows, pa.int64()),
        pa.array(classes, pa.string()),
    )
    return pa.table(columns, names=["patient", "row", "reviewed_class"])
