"""The file of answers: read back as written, and refused where it does not fit the run."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import bloodcell
from bloodcell.errors import InputError
from bloodcell.review.answers import (
    Answers,
    PatientAnswers,
    as_json,
    check_answers,
    parse_answers,
    read_answers,
    run_identity,
)
from bloodcell.review.plan import plan_review
from bloodcell.review.planned import plan_identity, plan_path, read_plan, write_plan


@pytest.fixture
def answers(run: bloodcell.Run) -> Answers:
    """Of two patients of the drawn run, 24 cells each; the first is signed."""
    return Answers(
        run_identity(run),
        plan_identity(run),
        "A. Reader",
        {
            "phantom-000": PatientAnswers({3: "monocyte", 0: "lymphocyte"}, True, "clear"),
            "phantom-002": PatientAnswers({71: "blast_no_lineage_spec"}, False, ""),
        },
    )


def test_answers_are_read_as_they_were_written(answers: Answers, tmp_path: Path) -> None:
    file = tmp_path / "answers.json"
    file.write_text(as_json(answers), encoding="utf-8")
    assert read_answers(file) == answers


def test_the_file_is_what_the_page_writes(answers: Answers) -> None:
    written = json.loads(as_json(answers))
    assert written["format"] == "bloodcell answers 1"
    assert written["patients"]["phantom-000"] == {
        "answers": [{"row": 3, "class": "monocyte"}, {"row": 0, "class": "lymphocyte"}],
        "sign": True,
        "comment": "clear",
        "seen": 0,
    }


def test_answers_of_the_run_are_taken(run: bloodcell.Run, answers: Answers) -> None:
    check_answers(run, answers, "answers.json")


def patient(**changes: Any) -> dict[str, PatientAnswers]:
    of = {"answers": {0: "monocyte"}, "sign": False, "comment": ""} | changes
    return {of.pop("name", "phantom-000"): PatientAnswers(**of)}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"run": "0" * 64}, "belongs to another run"),
        ({"plan": "0" * 64}, "is out of date"),
        ({"patients": patient(name="nobody")}, "the patient 'nobody', whom the run has not"),
        ({"patients": patient(answers={0: "macrophage"})}, "['macrophage'] are no classes"),
        ({"patients": patient(answers={0: ""})}, "[''] are no classes"),
        ({"patients": patient(answers={0: "monocyte", 24: "monocyte"})}, "rows [24] are no scored"),
        ({"patients": patient(answers={1 << 40: "monocyte"})}, "are no scored cells of theirs"),
    ],
)
def test_what_does_not_fit_the_run_is_refused(
    run: bloodcell.Run, answers: Answers, change: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError) as refused:
        check_answers(run, replace(answers, **change), "answers.json")
    assert str(refused.value).startswith("answers.json")
    assert says in str(refused.value)


def test_a_rejected_cell_has_no_answer(smears: Path, tmp_path: Path) -> None:
    shutil.copytree(smears / "phantom-000", tmp_path / "in" / "p")
    first = min((tmp_path / "in" / "p").iterdir())
    first.write_bytes(b"")
    run = bloodcell.score(tmp_path / "in", tmp_path / "run")
    given = Answers(run_identity(run), plan_identity(run), "", patient(name="p"))
    with pytest.raises(InputError, match=r"rows \[0\] are no scored cells"):
        check_answers(run, given, "answers.json")


def test_a_plan_made_anew_puts_answers_out_of_date_and_an_extended_one_does_not(
    run: bloodcell.Run, tmp_path: Path
) -> None:
    copy = bloodcell.open_run(shutil.copytree(run.folder, tmp_path / "run"))
    given = Answers(run_identity(copy), plan_identity(copy), "")
    plan = read_plan(copy)
    assert re.fullmatch("[0-9a-f]{64}", given.plan)
    for cells in (12, 15):
        write_plan(copy, plan_review(copy, cells))
    assert len(read_plan(copy)) > len(plan)
    check_answers(copy, given, "answers.json")
    plan_path(copy).unlink()
    assert plan_identity(copy) == ""
    write_plan(copy, plan_review(copy, 12))
    with pytest.raises(InputError, match="out of date"):
        check_answers(copy, given, "answers.json")
    plan_path(copy).unlink()
    write_plan(copy, plan)
    check_answers(copy, given, "answers.json")


def test_another_count_is_another_run(run: bloodcell.Run, tmp_path: Path) -> None:
    folder = shutil.copytree(run.folder, tmp_path / "run")
    (folder / "patients.parquet").write_bytes(b"other counts")
    assert run_identity(bloodcell.open_run(folder)) != run_identity(run)


def changed(change: Callable[[dict[str, Any]], Any]) -> Callable[[Answers], bytes]:
    def text(answers: Answers) -> bytes:
        content = json.loads(as_json(answers))
        change(content)
        return json.dumps(content).encode()

    return text


def of_p0(content: dict[str, Any]) -> dict[str, Any]:
    patient: dict[str, Any] = content["patients"]["phantom-000"]
    return patient


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (lambda _: b"", "Expecting value"),
        (lambda _: b"\xff\xfe{}", "codec can't decode"),
        (lambda _: b"[" * 100_000, "recursion"),
        (lambda _: b"[]", "the entries are"),
        (lambda a: as_json(a).replace("answers 1", "answers 9").encode(), "its format is"),
        (lambda a: as_json(a).replace("phantom-002", "phantom-000").encode(), "stands in it 2"),
        (changed(lambda c: c.pop("plan")), "the entries are"),
        (changed(lambda c: c.update(more=1)), "the entries are"),
        (changed(lambda c: c.update(reviewer="\ud800")), "reviewer is no text"),
        (changed(lambda c: of_p0(c).update(sign=1)), "sign of patient 'phantom-000' is 1"),
        (changed(lambda c: of_p0(c).update(answers={})), "answers of patient"),
        (changed(lambda c: of_p0(c)["answers"].append({"row": 3})), "of an answer"),
        (
            changed(lambda c: of_p0(c)["answers"].append({"row": 3, "class": "monocyte"})),
            "row 3 is answered twice",
        ),
        (
            changed(lambda c: of_p0(c)["answers"].append({"row": True, "class": "monocyte"})),
            "row of an answer",
        ),
        (
            changed(lambda c: of_p0(c)["answers"].append({"row": -1, "class": "monocyte"})),
            "there is no row -1",
        ),
    ],
)
def test_what_is_no_file_of_answers_is_refused(
    answers: Answers, text: Callable[[Answers], bytes], says: str
) -> None:
    with pytest.raises(InputError) as refused:
        parse_answers(text(answers), "answers.json")
    assert str(refused.value).startswith("answers.json holds no answers of a report: ")
    assert says in str(refused.value)


def test_a_file_that_is_not_there_or_is_huge_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="cannot read answers"):
        read_answers(tmp_path / "absent.json")
    monkeypatch.setattr("bloodcell.review.answers.LARGEST_FILE", 10)
    (tmp_path / "large.json").write_bytes(b" " * 11)
    with pytest.raises(InputError, match="larger than answers are"):
        read_answers(tmp_path / "large.json")
