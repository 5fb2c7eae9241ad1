"""A cell that is more likely something else than what it is called: counted, and said."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from click.testing import CliRunner
from helpers.drawn_runs import digests

import bloodcell
from bloodcell.cli import main
from bloodcell.model import load_model
from bloodcell.patients import PatientCounts, patient_table
from bloodcell.shares import Counting
from bloodcell.unidentified import is_unidentified, probabilities_of

STEP = 2.0**-16
"""Stored probabilities are multiples of it."""


def part_of(tops: list[float | None]) -> pa.Table:
    """A part of ``cells/`` with these largest probabilities, None: rejected; all of patient a."""
    rows = [
        [None] * 18 if top is None else [(1 - top) / 2, top, (1 - top) / 2, *[0.0] * 15]
        for top in tops
    ]
    return pa.table(
        {
            "row": pa.array(range(len(tops))),
            "patient": ["a"] * len(tops),
            "status": ["rejected" if top is None else "scored" for top in tops],
            "reason": pa.array(["corrupt" if top is None else None for top in tops], pa.string()),
            "probabilities": pa.array(rows, pa.list_(pa.float32(), 18)),
            "stained": pa.array([None if top is None else True for top in tops]),
        }
    )


def unidentified_in(part: pa.Table) -> int:
    model = load_model()
    counts = PatientCounts(pa.array(["a"]), model.scheme)
    counts.add_part(part)
    (row,) = patient_table(counts, model, Counting("blood", "none", 10.0)).to_pylist()
    assert type(row["unidentified"]) is int
    return int(row["unidentified"])


def test_the_limit_is_one_half() -> None:
    assert unidentified_in(part_of([0.49, 0.5, 0.51])) == 1
    assert unidentified_in(part_of([0.5 - STEP, 0.5, 0.5 + STEP, 1.0])) == 1
    assert unidentified_in(part_of([None, 0.4, None, 0.4, 0.9])) == 2
    assert unidentified_in(part_of([None])) == 0


def test_a_rejected_cell_is_not_unidentified() -> None:
    part = part_of([None, 0.4])
    assert is_unidentified(probabilities_of(part)).tolist() == [False, True]
    assert is_unidentified(probabilities_of(part[:0])).tolist() == []


def test_a_run_counts_them_by_patient_and_changes_nothing_else(run: bloodcell.Run) -> None:
    cells = run.cells(["patient", "class", "probabilities"]).to_pylist()
    unsure = [cell["patient"] for cell in cells if max(cell["probabilities"]) < 0.5]
    patients = run.patients.to_pylist()
    assert {p["patient"]: p["unidentified"] for p in patients} == {
        p["patient"]: unsure.count(p["patient"]) for p in patients
    }
    assert run.about["unidentified"] == len(unsure) > 0
    # They are called, and counted, as what they are most probably.
    codes = run.scheme.codes
    assert all(c["class"] == codes[int(np.argmax(c["probabilities"]))] for c in cells)
    called = [sum(p[f"n_{code}"] for p in patients) for code in codes]
    assert called == [sum(c["class"] == code for c in cells) for code in codes]


def test_neither_batches_nor_workers_change_it(
    adjusted_run: bloodcell.Run, smears: Path, drawn_model: Path, tmp_path: Path
) -> None:
    run = bloodcell.score(smears, tmp_path / "run", drawn_model, batch_size=3, threads=1, workers=2)
    assert (
        digests(run.folder)["patients.parquet"] == digests(adjusted_run.folder)["patients.parquet"]
    )
    assert run.record.unidentified == adjusted_run.record.unidentified


def test_the_terminal_says_how_many(
    adjusted_run: bloodcell.Run, smears: Path, drawn_model: Path, tmp_path: Path
) -> None:
    words = ["score", smears, "--out", tmp_path / "run", "--model", drawn_model]
    shown = CliRunner().invoke(main, [str(word) for word in words]).stdout
    n = adjusted_run.record.unidentified
    assert n
    assert f"\n{n} unidentified ({100 * n / 72:.1f} % of the scored): " in shown
