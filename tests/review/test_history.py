"""Answers held against earlier ones: nothing is signed unseen, and what is another's stays."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from helpers.reviews import answers_of, seen

import bloodcell
from bloodcell.errors import InputError
from bloodcell.review.answers import Answers, PatientAnswers, as_json, parse_answers
from bloodcell.review.apply import apply_answers
from bloodcell.review.folder import Application, reviewed_cells, reviewed_patients
from bloodcell.review.history import check_against_earlier
from bloodcell.review.planned import read_plan
from bloodcell.verification import verify

BLAST, MONOCYTE = "blast_no_lineage_spec", "monocyte"
FIRST = "phantom-000"
Apply = Callable[[str, PatientAnswers], Answers]


@pytest.fixture
def apply(own_run: bloodcell.Run) -> Apply:
    """Apply what a reader says of the first patient; returns it as it was applied."""
    empty = answers_of(own_run, lambda _row: BLAST, [])

    def applied(reviewer: str, given: PatientAnswers) -> Answers:
        answers = replace(empty, patients={FIRST: given})
        answers = parse_answers(as_json(answers).encode(), "answers.json")
        apply_answers(own_run, answers, reviewer, "answers.json")
        return answers

    return applied


def readings(run: bloodcell.Run) -> dict[int, dict[str, str]]:
    cells = reviewed_cells(run)
    found: dict[int, dict[str, str]] = {}
    for cell in cells.to_pylist() if cells else ():
        found.setdefault(cell["row"], {})[cell["reviewer"]] = cell["reviewed_class"]
    return found


@pytest.fixture
def rows(own_run: bloodcell.Run) -> list[int]:
    plan = read_plan(own_run).to_pylist()
    return sorted(one["row"] for one in plan if one["patient"] == FIRST)


def test_a_file_does_not_sign_what_another_reader_answered_after_it_was_saved(
    own_run: bloodcell.Run, apply: Apply, rows: list[int]
) -> None:
    saved = PatientAnswers({rows[0]: BLAST}, True, "")
    apply("B", PatientAnswers({rows[1]: MONOCYTE}, False, "swapped?"))
    with pytest.raises(InputError) as refused:
        apply("A", saved)
    said = str(refused.value)
    assert said.startswith(f"answers.json signs patient {FIRST}, whose result changed")
    assert f"B answered the cell of row {rows[1]} and remarked." in said
    assert readings(own_run) == {rows[1]: {"B": MONOCYTE}}
    apply("A", replace(saved, sign=False))
    apply("A", replace(saved, seen=seen(own_run, FIRST)))
    assert reviewed_patients(own_run)[FIRST]["signed_by"] == ["A"]


def test_a_readers_own_answers_and_the_same_file_twice_may_be_signed(
    own_run: bloodcell.Run, apply: Apply, rows: list[int]
) -> None:
    for _ in range(2):
        apply("A", PatientAnswers({rows[0]: BLAST}, True, ""))
    assert reviewed_patients(own_run)[FIRST]["status"] == "final"


def test_what_was_applied_last_is_applied_again_though_it_did_not_say_what_it_saw() -> None:
    def of(reviewer: str, number: int, *, sign: bool) -> Application:
        given = {FIRST: PatientAnswers({1: BLAST}, sign, "")}
        return Application(number, reviewer, Answers("", "", "", given))

    before = [of("A", 1, sign=False), of("B", 2, sign=True)]
    check_against_earlier(before, of("B", 3, sign=True), "answers")
    with pytest.raises(InputError, match="whose result changed"):
        check_against_earlier(before, of("C", 3, sign=True), "answers")


def test_a_reader_takes_back_the_own_answer_and_the_others_stays(
    own_run: bloodcell.Run, apply: Apply, rows: list[int]
) -> None:
    apply("A", PatientAnswers({rows[0]: BLAST, rows[1]: BLAST}, False, ""))
    apply("B", PatientAnswers({rows[0]: MONOCYTE}, False, ""))
    for _ in range(2):
        apply("A", PatientAnswers({rows[0]: None, rows[1]: None}, False, ""))
        assert readings(own_run) == {rows[0]: {"B": MONOCYTE}}
    row = reviewed_patients(own_run)[FIRST]
    assert (row["status"], row["cells_looked_at"]) == ("preliminary", 1)
    assert all(finding.good for finding in verify(own_run.folder))
    with pytest.raises(InputError, match=f"C never answered the cell of row {rows[0]}, which"):
        apply("C", PatientAnswers({rows[0]: None}, False, ""))


def test_remarks_of_two_readers_both_stand_and_each_takes_back_the_own(
    own_run: bloodcell.Run, apply: Apply
) -> None:
    for reviewer, remark, stands in (
        ("A", "few cells", "few cells"),
        ("B", "clots", "A: few cells; B: clots"),
        ("A", "", "A: few cells; B: clots"),
        ("A", None, "clots"),
        ("A", None, "clots"),
    ):
        apply(reviewer, PatientAnswers({}, False, remark))
        assert reviewed_patients(own_run)[FIRST]["comment"] == stands
    with pytest.raises(InputError, match="C has no remark, which the file takes back"):
        apply("C", PatientAnswers({}, False, None))
