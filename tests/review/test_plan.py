"""Which cells of a run are planned to be looked at."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from helpers.labelled_runs import BLAST
from helpers.reviewed_runs import OTHER, SMUDGE, answers_to, apply, log_odds_of, reviewed_run

from bloodcell.errors import InputError, RunError
from bloodcell.review.draw import spread_evenly
from bloodcell.review.estimate import reviewed_shares
from bloodcell.review.plan import cells_wanted, plan_review
from bloodcell.review.planned import plan_path, read_plan, write_plan
from bloodcell.run import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A patient at a decision line, a wide one far from any, a settled one, a refused one."""
    shares = {"at 20": 0.2, "wide": 0.6, "settled": 0.7, "refused": 0.3}
    log_odds = {name: log_odds_of(400, share, i) for i, (name, share) in enumerate(shares.items())}
    intervals = {"at 20": (12.0, 31.0), "wide": (45.0, 70.0), "settled": (66.0, 74.0)}
    return reviewed_run(tmp_path / "run", log_odds, intervals)


def of(plan: pa.Table, patient: str) -> list[dict[str, int]]:
    return [row for row in plan.to_pylist() if row["patient"] == patient]


def answers_by_log_odds(run: Run, plan: pa.Table) -> pa.Table:
    probability = run.cells(["blast_probability"])["blast_probability"].to_numpy()
    rows, patients = plan["row"].to_pylist(), plan["patient"].to_pylist()
    classes = [BLAST if probability[row] > 0.5 else OTHER for row in rows]
    return answers_to(rows, patients, classes)


def test_most_cells_are_where_a_decision_line_lies_inside(run: Run) -> None:
    plan = plan_review(run, 20)
    counts = {name: len(of(plan, name)) for name in ("at 20", "wide", "settled", "refused")}
    assert counts == {"at 20": 20, "wide": 10, "settled": 0, "refused": 20}


def test_what_can_change_decides_how_many_cells() -> None:
    assert cells_wanted(4.9, 5.1, 10, 7) == 7
    assert cells_wanted(5.0, 9.9, 3, 7) == 4
    assert cells_wanted(5.0, 9.9, 5, 7) == 0


def test_a_plan_lists_leukocytes_once_with_what_their_chance_is_known_by(run: Run) -> None:
    plan, cells = plan_review(run, 20), run.cells(["class", "patient"]).to_pylist()
    rows = of(plan, "at 20")
    assert [row["order"] for row in rows] == list(range(1, 21))
    assert len({row["row"] for row in rows}) == 20
    assert all(cells[row["row"]]["class"] != SMUDGE for row in plan.to_pylist())
    assert all(cells[row["row"]]["patient"] == row["patient"] for row in plan.to_pylist())
    sizes = {row["stratum"]: row["stratum_cells"] for row in rows}
    assert 300 < sum(sizes.values()) <= 343
    assert {row["batch"] for row in rows} == {1}


def test_unsure_cells_are_looked_at_more_than_their_part(run: Run) -> None:
    rows = of(plan_review(run, 20), "at 20")
    unsure = [row for row in rows if 1 <= row["stratum"] <= 6]
    part = sum({row["stratum"]: row["stratum_cells"] for row in unsure}.values()) / 343
    assert len(unsure) / 20 > 1.2 * part


def test_a_refused_patient_is_sampled_by_size(run: Run) -> None:
    rows = of(plan_review(run, 40), "refused")
    for stratum in range(8):
        own = [row for row in rows if row["stratum"] == stratum]
        if own:
            assert len(own) == pytest.approx(40 * own[0]["stratum_cells"] / 343, abs=1.6)


def test_a_plan_is_the_same_again_and_another_for_another_run(run: Run) -> None:
    assert plan_review(run, 20) == plan_review(run, 20)
    other = Run(run.folder, replace(run.record, manifest_sha256="9" * 64))
    assert of(plan_review(other, 20), "at 20") != of(plan_review(run, 20), "at 20")


def test_planning_again_without_answers_changes_nothing(run: Run) -> None:
    write_plan(run, plan_review(run, 20))
    assert plan_review(run, 20) == read_plan(run)
    more = plan_review(run, 25)
    assert of(more, "at 20")[:20] == of(read_plan(run), "at 20")
    assert len(of(more, "at 20")) == 25


def test_answers_lead_to_a_further_batch_of_other_cells(run: Run) -> None:
    first = plan_review(run, 10)
    write_plan(run, first)
    apply(run, answers_by_log_odds(run, first))
    second = plan_review(run, 10)
    assert second.filter(pa.compute.equal(second["batch"], 1)) == first
    rows = of(second, "at 20")
    assert len({row["row"] for row in rows}) == len(rows) > 10
    assert [row["order"] for row in rows] == list(range(1, len(rows) + 1))


def test_planning_ends_when_the_answers_have_settled_it(run: Run) -> None:
    for _ in range(40):
        write_plan(run, plan_review(run, 10, ["at 20"]))
        answers = answers_by_log_odds(run, read_plan(run))
        apply(run, answers)
    plan = read_plan(run)
    assert plan_review(run, 10, ["at 20"]) == plan
    share = reviewed_shares(run, answers, plan).to_pylist()[0]
    ends = share["blast_percent_low"], share["blast_percent_high"]
    assert cells_wanted(*ends, 10.0, 10) == 0 or len(plan) == 343


def test_one_patient_may_be_planned_alone(run: Run) -> None:
    assert set(plan_review(run, 5, ["wide"])["patient"].to_pylist()) == {"wide"}


def test_cells_that_a_reader_clicked_are_not_drawn(run: Run) -> None:
    first = of(plan_review(run, 20), "at 20")
    clicked = [row["row"] for row in first[:3]]
    apply(run, answers_to(clicked, ["at 20"] * 3, [OTHER] * 3))
    assert not {row["row"] for row in of(plan_review(run, 20), "at 20")} & set(clicked)


def test_every_cell_of_a_stratum_comes_once_and_any_number_lies_evenly() -> None:
    assert sorted(spread_evenly(100, 0.3, 100)) == list(range(100))
    some = np.sort(spread_evenly(1000, 0.3, 8))
    assert 60 < np.diff(some).min() < np.diff(some).max() < 250


def test_every_cell_has_the_same_chance() -> None:
    starts = np.random.default_rng(0).random(4000)
    times = np.bincount(np.ravel([spread_evenly(10, start, 3) for start in starts]))
    assert np.abs(times / 4000 - 0.3).max() < 0.03


def test_more_cells_than_there_are_is_all_of_them(run: Run) -> None:
    assert len(plan_review(run, 1000, ["at 20"])) == 343


def test_what_cannot_be_planned_is_refused(run: Run) -> None:
    with pytest.raises(InputError, match="no patient 'nobody'"):
        plan_review(run, 20, ["nobody"])
    with pytest.raises(InputError, match="1 or more"):
        plan_review(run, 0)
    write_plan(run, plan_review(run, 5))
    plan_path(run).write_bytes(b"torn")
    with pytest.raises(RunError, match="delete it and run"):
        plan_review(run, 20)
