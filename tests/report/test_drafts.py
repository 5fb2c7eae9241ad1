"""Drafts: what goes into a file, what falls away once answers are applied, and two tabs."""

from pathlib import Path

from helpers.report_pages import data_of, open_patient, overview, page_path
from playwright.sync_api import Page, expect

from bloodcell.report import write_report
from bloodcell.review.answers import (
    Answers,
    PatientAnswers,
    parse_answers,
    read_answers,
    run_identity,
)
from bloodcell.review.apply import apply_answers
from bloodcell.review.folder import reviewed_patients
from bloodcell.review.planned import plan_identity
from bloodcell.run import Run

FIRST, SECOND = "phantom-000", "phantom-001"


def answer(page: Page, place: int, letter: str) -> None:
    page.locator("#planned .cell").nth(place).focus()
    page.keyboard.press(letter)


def save(page: Page) -> Answers:
    with page.expect_download() as download:
        page.get_by_role("button", name="Save answers").click()
    return parse_answers(Path(download.value.path()).read_bytes(), "answers")


def apply(run: Run, answers: Answers, reviewer: str) -> None:
    write_report(apply_answers(run, answers, reviewer, "answers").run)


def of_another_reader(run: Run, patient: str) -> Answers:
    data = data_of(page_path(run, patient))
    given = {cell["row"]: "monocyte" for cell in data["cells"] if not cell["order"]}
    patients = {patient: PatientAnswers(given, False, "")}
    return Answers(run_identity(run), plan_identity(run), "", patients)


def open_as(page: Page, run: Run, patient: str, reader: str = "A") -> None:
    open_patient(page, run, patient)
    page.get_by_label("Reviewer").fill(reader)
    page.get_by_label("Reviewer").blur()


def kept(page: Page, patient: str) -> int:
    count: int = page.evaluate(
        "name => Object.keys(localStorage).filter(key => key.endsWith(name)).length", patient
    )
    return count


def test_what_a_file_holds_is_in_the_next_only_if_it_is_said_anew(page: Page, own_run: Run) -> None:
    open_as(page, own_run, SECOND)
    answer(page, 0, "b")
    page.get_by_label("Sign this patient").check()
    both = save(page)
    expect(page.locator("#progress")).to_contain_text("saved, not applied yet")
    open_patient(page, own_run, FIRST)
    answer(page, 0, "o")
    assert list(save(page).patients) == [FIRST]
    assert list(save(page).patients) == [FIRST, SECOND]  # once more: nothing is new
    open_patient(page, own_run, SECOND)
    answer(page, 1, "b")
    again = save(page).patients
    assert list(again) == [SECOND]
    assert again[SECOND].answers.keys() > both.patients[SECOND].answers.keys()


def test_a_draft_that_was_applied_signs_no_correction_of_another_reader(
    page: Page, own_run: Run
) -> None:
    open_as(page, own_run, SECOND)
    answer(page, 0, "b")
    page.get_by_label("Sign this patient").check()
    apply(own_run, save(page), "A")
    apply(own_run, of_another_reader(own_run, SECOND), "B")
    open_patient(page, own_run, FIRST)
    answer(page, 0, "o")
    apply(own_run, save(page), "A")
    assert reviewed_patients(own_run)[SECOND]["status"] == "preliminary"
    open_patient(page, own_run, SECOND)
    expect(page.get_by_label("Sign this patient")).not_to_be_checked()
    assert kept(page, SECOND) == 0


def test_a_signature_of_before_other_answers_is_not_saved(page: Page, own_run: Run) -> None:
    open_as(page, own_run, SECOND)
    answer(page, 0, "b")
    page.get_by_label("Sign this patient").check()
    apply(own_run, of_another_reader(own_run, SECOND), "B")
    page.get_by_role("button", name="Save answers").click()
    said = f"Not saved: answers of {SECOND} were applied after you signed"
    expect(page.locator("#save-said")).to_contain_text(said)
    expect(page.get_by_label("Sign this patient")).not_to_be_checked()
    page.reload()
    expect(page.get_by_label("Sign this patient")).not_to_be_checked()
    expect(page.locator("#progress")).to_contain_text("1 of")
    page.get_by_label("Sign this patient").check()
    assert save(page).patients[SECOND].sign


def test_the_overview_says_what_is_saved_and_forgets_it_once_it_is_applied(
    page: Page, own_run: Run
) -> None:
    open_as(page, own_run, SECOND)
    page.get_by_label("Sign this patient").check()
    page.goto(overview(own_run))
    expect(page.locator(".draft")).to_have_text("Draft, to sign")
    answers = save(page)
    expect(page.locator(".draft")).to_have_text("Saved, not applied yet")
    apply(own_run, answers, "A")
    page.reload()
    expect(page.locator(".draft")).to_have_count(0)


def test_two_tabs_of_a_patient_keep_each_others_answers(page: Page, own_run: Run) -> None:
    open_as(page, own_run, SECOND)
    other = page.context.new_page()
    open_patient(other, own_run, SECOND)
    for place in range(3):
        answer(page, place, "b")
    expect(other.locator("#progress")).to_contain_text("3 of")
    expect(other.locator("#planned .cell").nth(2)).to_contain_text("Blast")
    answer(other, 4, "o")
    other.get_by_label("Comment").fill("clear")
    expect(page.locator("#progress")).to_contain_text("4 of")
    expect(page.get_by_label("Comment")).to_have_value("clear")
    saved = save(page).patients[SECOND]
    assert (len(saved.answers), saved.comment) == (4, "clear")


def test_answers_of_a_tab_that_was_told_nothing_are_not_overwritten(
    page: Page, own_run: Run
) -> None:
    open_as(page, own_run, SECOND)
    answer(page, 0, "b")
    page.evaluate(
        """() => { const key = Object.keys(localStorage).find(one => one.endsWith("phantom-001"));
            const draft = JSON.parse(localStorage[key]);
            localStorage[key] = JSON.stringify({...draft, comment: "of another tab"}); }"""
    )
    answer(page, 1, "b")
    saved = save(page).patients[SECOND]
    assert (len(saved.answers), saved.comment) == (2, "of another tab")


def test_a_remark_is_taken_back_by_emptying_its_field(page: Page, own_run: Run) -> None:
    open_as(page, own_run, SECOND)
    page.get_by_label("Comment").fill("wrong")
    apply(own_run, save(page), "A")
    open_patient(page, own_run, SECOND)
    expect(page.get_by_label("Comment")).to_have_value("wrong")
    answer(page, 0, "b")
    answers = save(page)
    assert answers.patients[SECOND].comment == ""  # as it stands: nothing is said of it
    apply(own_run, answers, "A")
    assert reviewed_patients(own_run)[SECOND]["comment"] == "wrong"
    open_patient(page, own_run, SECOND)
    page.get_by_label("Comment").fill("")
    answers = save(page)
    assert answers.patients[SECOND].comment is None
    apply(own_run, answers, "A")
    assert reviewed_patients(own_run)[SECOND]["comment"] == ""
    page.reload()
    expect(page.get_by_text("Remark of")).to_have_count(0)
    applied = sorted((own_run.folder / "review" / "answers").iterdir())[-1]
    assert read_answers(applied).patients[SECOND].comment is None


def test_a_tab_shows_the_name_that_another_tab_was_given_and_saves_under_it(
    page: Page, own_run: Run
) -> None:
    open_as(page, own_run, SECOND)
    open_as(page.context.new_page(), own_run, FIRST, "B")
    expect(page.get_by_label("Reviewer")).to_have_value("B")
    answer(page, 0, "b")
    assert save(page).reviewer == "B"


def test_a_draft_that_does_not_say_what_it_saw_saw_nothing(page: Page, own_run: Run) -> None:
    open_as(page, own_run, SECOND)
    answer(page, 0, "b")
    page.evaluate(
        """() => { const key = Object.keys(localStorage).find(one => one.endsWith("phantom-001"));
            const {on, ...draft} = JSON.parse(localStorage[key]);
            localStorage[key] = JSON.stringify(draft); }"""
    )
    assert save(page).patients[SECOND].seen == 0
