"""Round after round: applied answers plan the next cells of the patients that they name."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from helpers.reviews import answers_of, saved

import bloodcell
from bloodcell.cli import main
from bloodcell.review import CELLS_OF_A_ROUND, estimate
from bloodcell.review.answers import Answers, PatientAnswers
from bloodcell.review.apply import Applied, apply_answers
from bloodcell.review.folder import ReviewFolder
from bloodcell.review.leukocytes import leukocytes_by_patient
from bloodcell.review.planned import plan_identity, plan_path, read_plan
from bloodcell.verification import verify

BLAST, MONOCYTE = "blast_no_lineage_spec", "monocyte"
FIRST, SECOND, THIRD = "phantom-000", "phantom-001", "phantom-002"


LEFT = 9
"""Cells of the first patient that are not in the first round: 19 of 24 are called leukocytes."""


def label(row: int) -> str:
    """So that 10 % lies inside the interval of the first round."""
    return MONOCYTE if row % 8 else BLAST


def apply(run: bloodcell.Run, answers: Answers, reviewer: str = "A") -> Applied:
    return apply_answers(bloodcell.open_run(run.folder), answers, reviewer, "answers.json")


def planned_cells(run: bloodcell.Run) -> Counter[str]:
    return Counter(read_plan(run)["patient"].to_pylist())


def test_answers_are_followed_by_a_round_of_their_patients_alone(own_run: bloodcell.Run) -> None:
    before, first = planned_cells(own_run), read_plan(own_run)
    applied = apply(own_run, answers_of(own_run, label, [FIRST], sign=False))
    after = planned_cells(own_run)
    assert after[FIRST] == before[FIRST] + LEFT
    assert (after[SECOND], after[THIRD]) == (before[SECOND], before[THIRD])
    assert applied.waiting == {FIRST: LEFT}
    assert set(first["row"].to_pylist()) < set(read_plan(own_run)["row"].to_pylist())


def test_who_is_signed_is_asked_no_more_unless_readers_differ(own_run: bloodcell.Run) -> None:
    before = planned_cells(own_run)
    assert apply(own_run, answers_of(own_run, label, [FIRST])).waiting == {}
    assert planned_cells(own_run) == before
    other = answers_of(own_run, lambda row: "lymphocyte" if row % 8 else BLAST, [FIRST])
    assert apply(own_run, other, "B").waiting == {FIRST: LEFT}


def test_a_share_signed_with_cells_unanswered_is_final_and_asks_for_none(
    own_run: bloodcell.Run,
) -> None:
    (patient,) = answers_of(own_run, label, [FIRST]).patients.values()
    some = dict(list(patient.answers.items())[:2])
    answers = answers_of(own_run, label, [FIRST])
    answers.patients[FIRST] = PatientAnswers(some, True, "")
    applied = apply(own_run, answers)
    assert (applied.patients[0]["status"], applied.patients[0]["cells_looked_at"]) == ("final", 2)
    assert applied.waiting == {}


def test_a_page_opened_before_the_round_was_extended_is_not_out_of_date(
    own_run: bloodcell.Run,
) -> None:
    second = answers_of(own_run, label, [FIRST], sign=False)
    apply(own_run, second)
    assert second.plan == plan_identity(own_run)
    assert apply(own_run, second, "B").agreement[0]["kappa"] == 1.0


def test_rounds_end_when_nothing_would_change(own_run: bloodcell.Run) -> None:
    for _ in range(4):
        applied = apply(own_run, answers_of(own_run, label, [FIRST], sign=False))
    assert applied.waiting == {}
    assert [finding for finding in verify(own_run.folder) if not finding.good] == []


def test_without_a_plan_the_first_one_is_the_reports(own_run: bloodcell.Run) -> None:
    plan_path(own_run).unlink()
    row = int(own_run.cells(["row"])["row"][0].as_py())
    answers = answers_of(own_run, label, [FIRST], sign=False)
    answers.patients[FIRST] = PatientAnswers({row: BLAST}, False, "")
    apply(own_run, answers)
    assert not plan_path(own_run).exists()


def test_the_command_says_for_whom_more_cells_wait(own_run: bloodcell.Run, tmp_path: Path) -> None:
    file = saved(answers_of(own_run, label, [FIRST], sign=False), tmp_path / "answers.json")
    words = ["review", "apply", str(own_run.folder), str(file), "--reviewer", "A"]
    said = CliRunner().invoke(main, words)
    assert said.exit_code == 0, said.stderr
    assert f"{LEFT} cells wait to be looked at, patients: 1 ({FIRST})" in said.stdout
    as_json = json.loads(CliRunner().invoke(main, [*words, "--json"]).stdout)
    assert as_json["waiting"] == {FIRST: LEFT}
    assert as_json["report"] is None


def test_the_next_round_is_ten_cells_by_default(own_run: bloodcell.Run) -> None:
    help_text = CliRunner().invoke(main, ["review", "plan", "--help"]).stdout
    assert "[default: 10" in help_text
    shutil.rmtree(own_run.folder / "review")
    assert CliRunner().invoke(main, ["report", str(own_run.folder)]).exit_code == 0
    assert max(planned_cells(own_run).values()) == CELLS_OF_A_ROUND == 10


def test_nothing_is_computed_again_of_patients_that_are_not_named(
    own_run: bloodcell.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(own_run, answers_of(own_run, label, [FIRST, SECOND], sign=False))
    computed = []
    share = estimate.reviewed_share

    def counted(review: Any) -> Any:
        computed.append(review)
        return share(review)

    monkeypatch.setattr(estimate, "reviewed_share", counted)
    apply(own_run, answers_of(own_run, label, [THIRD]))
    assert len(computed) == 1
    monkeypatch.undo()
    assert [finding for finding in verify(own_run.folder) if not finding.good] == []


def test_a_table_that_was_deleted_or_is_of_another_plan_is_computed_anew(
    own_run: bloodcell.Run,
) -> None:
    apply(own_run, answers_of(own_run, label, [FIRST, SECOND], sign=False))
    folder = ReviewFolder(own_run.folder)
    table = pq.read_table(folder.patients_path, partitioning=None)
    shares = table.schema.get_field_index("blast_percent")
    wrong = table.set_column(shares, "blast_percent", [[99.0, 99.0]])
    for spoil in (
        folder.patients_path.unlink,
        lambda: pq.write_table(wrong.replace_schema_metadata({"run": "x"}), folder.patients_path),
        plan_path(own_run).unlink,
    ):
        spoil()
        apply(own_run, answers_of(own_run, label, [THIRD], sign=False))
        bloodcell.open_run(own_run.folder)
        again = pq.read_table(folder.patients_path, partitioning=None)
        assert again["patient"].to_pylist() == [FIRST, SECOND, THIRD]
        assert 99.0 not in again["blast_percent"].to_pylist()


def test_of_a_patient_only_the_parts_are_read_that_hold_her(
    run: bloodcell.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    read_table = pq.read_table

    def noted(path: Any, **options: Any) -> Any:
        read.append(Path(path).name)
        return read_table(path, **options)

    monkeypatch.setattr(pq, "read_table", noted)
    ((name, cells),) = leukocytes_by_patient(run, [THIRD])
    # Five parts of 16 cells, 24 cells a patient.
    assert [one for one in read if one.startswith("part")] == [
        "part-00003.parquet",
        "part-00004.parquet",
    ]
    assert name == THIRD
    assert cells.row.min() >= 48
    every = dict(leukocytes_by_patient(run))
    assert np.array_equal(every[THIRD].row, cells.row)
