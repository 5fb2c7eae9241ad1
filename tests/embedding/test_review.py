"""Shares after a review, by libbloodcell and by Python."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from helpers.embedded import CallError, EmbeddedModel, Library, cells_of

import bloodcell
from bloodcell.bands import BANDS
from bloodcell.review.estimate import reviewed_shares
from bloodcell.review.plan import plan_review
from bloodcell.shares import ADJUSTED, IS_ADJUSTED

UNTRUSTED = 6


@pytest.fixture(scope="module")
def model(library: Library, drawn_model: Path) -> EmbeddedModel:
    return library.open(drawn_model)


def embedded_cells(run: bloodcell.Run, patient: str) -> Any:
    cells = run.cells()
    own = cells.filter(pc.equal(cells["patient"], patient)).to_pydict()
    codes = run.scheme.codes
    return cells_of(
        own["row"],
        [0] * len(own["row"]),
        [codes.index(code) for code in own["class"]],
        own["blast_probability"],
        own["stained"],
    )


def answers_of(run: bloodcell.Run, plan: pa.Table, seed: int, truth: float) -> pa.Table:
    """Some of the planned cells and some that nobody drew; the network is right of a part only."""
    rng, codes = np.random.default_rng(seed), run.scheme.codes
    planned = set(plan["row"].to_pylist())
    rows = []
    for cell in run.cells(["row", "patient", "class"]).to_pylist():
        if rng.random() < (0.8 if cell["row"] in planned else 0.1):
            own = cell["class"] if rng.random() < truth else codes[rng.integers(len(codes))]
            rows.append({"patient": cell["patient"], "row": cell["row"], "reviewed_class": own})
    rng.shuffle(rows)
    return pa.Table.from_pylist(rows)


@pytest.mark.parametrize("truth", [1.0, 0.7, 0.0])
def test_shares_after_answers_are_python_s_bit_for_bit(
    model: EmbeddedModel, demanding_run: bloodcell.Run, truth: float
) -> None:
    run, plan = demanding_run, plan_review(demanding_run, 12)
    assert len(plan) > 12
    adjustment = {row["patient"]: row["adjustment"] for row in run.patients.to_pylist()}
    bases = set()
    for seed in range(3):
        answers = answers_of(run, plan, seed, truth)
        for row in reviewed_shares(run, answers, plan).to_pylist():
            own = answers.filter(pc.equal(answers["patient"], row["patient"])).to_pylist()
            reviewed = model.review(
                0 if adjustment[row["patient"]] == IS_ADJUSTED else UNTRUSTED,
                embedded_cells(run, row["patient"]),
                plan.filter(pc.equal(plan["patient"], row["patient"]))["row"].to_pylist(),
                [(one["row"], run.scheme.codes.index(one["reviewed_class"])) for one in own],
            )
            expected = tuple(row[name] for name in (*ADJUSTED, *BANDS))
            assert (*(getattr(reviewed, name) for name in ADJUSTED), *reviewed.bands) == expected
            assert bool(reviewed.by_model) == (row["basis"] == "model")
            assert reviewed.cells_looked_at == row["cells_looked_at"]
            if adjustment[row["patient"]] == IS_ADJUSTED:
                bases.add(row["basis"])
    # Answers at random contradict the network, and the sample counts alone.
    assert ("sample" if truth == 0.0 else "model") in bases


def test_without_trust_the_sample_counts(
    model: EmbeddedModel, demanding_run: bloodcell.Run
) -> None:
    plan = plan_review(demanding_run, 12)
    patient = plan["patient"][0].as_py()
    drawn = plan.filter(pc.equal(plan["patient"], patient))["row"].to_pylist()
    blast = int(demanding_run.scheme.is_blast.argmax())
    cells = embedded_cells(demanding_run, patient)
    answers = [(row, blast) for row in drawn]
    assert model.review(0, cells, drawn, answers).by_model in (0, 1)
    by_sample = model.review(UNTRUSTED, cells, drawn, answers)
    assert by_sample.by_model == 0
    assert by_sample.blast_percent > 50


@pytest.mark.parametrize(
    ("drawn", "answers", "message"),
    [
        ([3, 3], [], "drawn: row 3 is there twice"),
        ([99], [], "drawn: row 99"),
        ([], [(3, 2), (3, 2)], "answers: row 3 is there twice"),
        ([], [(99, 2)], "answers: row 99"),
        ([], [(3, 18)], "answers: row 3 has the class 18"),
        ([], [(3, -1)], "answers: row 3 has the class -1"),
    ],
)
def test_answers_that_cannot_be_are_refused(
    model: EmbeddedModel, drawn: list[int], answers: list[tuple[int, int]], message: str
) -> None:
    cells = cells_of([1, 3], [0, 0], [2, 2], [0.9, 0.8], [True, True])
    with pytest.raises(CallError, match="invalid argument") as refused:
        model.review(0, cells, drawn, answers)
    assert message in refused.value.message
    for wrong in (cells_of([1, 1], [0, 0], [2, 2], [0.9, 0.8], [True, True]),
                  cells_of([1], [0], [2], [float("nan")], [True]),
                  cells_of([1], [0], [18], [0.5], [True])):  # fmt: skip
        with pytest.raises(CallError, match="cells: row 1"):
            model.review(0, wrong, [], [])
