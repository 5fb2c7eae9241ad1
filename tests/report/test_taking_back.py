"""In a patient's page: a cell that the reader cannot tell, and answers and remarks taken back."""

from pathlib import Path

import pytest
from helpers.report_pages import counted, data_of, open_patient, page_path
from helpers.reviews import seen
from playwright.sync_api import Page, expect

from bloodcell.report import write_report
from bloodcell.review.answers import Answers, PatientAnswers, parse_answers, run_identity
from bloodcell.review.apply import apply_answers
from bloodcell.review.folder import reviewed_cells
from bloodcell.review.planned import plan_identity, read_plan
from bloodcell.run import Run
from bloodcell.scheme import CANNOT_TELL

PATIENT = "phantom-001"


@pytest.fixture
def rows(own_run: Run) -> list[int]:
    plan = read_plan(own_run).to_pylist()
    return [one["row"] for one in plan if one["patient"] == PATIENT]


def apply(run: Run, reviewer: str, answers: dict[int, str | None], comment: str = "") -> None:
    given = {PATIENT: PatientAnswers(answers, False, comment)}
    of_run = Answers(run_identity(run), plan_identity(run), "", given)
    write_report(apply_answers(run, of_run, reviewer, "answers").run)


def open_as(page: Page, run: Run, reader: str) -> None:
    open_patient(page, run, PATIENT)
    page.get_by_label("Reviewer").fill(reader)
    page.get_by_label("Reviewer").blur()


def save(page: Page) -> Answers:
    with page.expect_download() as download:
        page.get_by_role("button", name="Save answers").click()
    return parse_answers(Path(download.value.path()).read_bytes(), "answers")


def test_a_cell_that_cannot_be_told_keeps_the_networks_word(
    page: Page, own_run: Run, rows: list[int]
) -> None:
    open_as(page, own_run, "A")
    page.locator("#planned .cell").first.click()
    page.keyboard.press("-")
    page.keyboard.press("o")
    page.keyboard.press("Escape")
    expect(page.locator("#planned .cell").first).to_have_text("✓ cannot tell")
    expect(page.locator("#progress")).to_contain_text("2 of 10 in this round, 1 cannot be told")
    expect(page.locator("#live-seen")).to_have_text("1")
    answers = save(page)
    assert answers.patients[PATIENT].answers == {rows[0]: CANNOT_TELL, rows[1]: "monocyte"}
    called = counted(page, "monocyte")
    write_report(apply_answers(own_run, answers, "A", "answers").run)
    open_patient(page, own_run, PATIENT)
    assert counted(page, "monocyte") == called
    expect(page.get_by_text("Of 1 cell readers cannot tell what it is")).to_be_visible()
    first = page.locator(f'#before .cell[data-row="{rows[0]}"]')
    expect(first).to_have_accessible_name("Cell 1 to look at, cannot tell, said A")


def test_an_own_answer_is_taken_back_and_anothers_stays(
    page: Page, own_run: Run, rows: list[int]
) -> None:
    apply(own_run, "A", {rows[0]: "monocyte"})
    apply(own_run, "B", {rows[1]: "lymphocyte"})
    open_as(page, own_run, "A")
    own, anothers = page.locator("#before .cell").all()
    anothers.focus()
    page.keyboard.press("Backspace")
    expect(anothers).to_have_text("✓ Lymphocyte")
    expect(page.locator("#save-said")).to_contain_text("Another reader's answer stays")
    own.focus()
    page.keyboard.press("Backspace")
    expect(own).to_have_text("taken back")
    page.keyboard.press("Control+z")
    expect(own).to_have_text("✓ Monocyte")
    page.keyboard.press("Control+y")
    answers = save(page)
    assert (answers.patients[PATIENT].answers, answers.patients[PATIENT].seen) == (
        {rows[0]: None},
        seen(own_run, PATIENT),
    )
    write_report(apply_answers(own_run, answers, "A", "answers").run)
    open_patient(page, own_run, PATIENT)
    cells = reviewed_cells(own_run)
    assert cells is not None
    assert cells["reviewer"].to_pylist() == ["B"]
    expect(page.locator(f'#planned .cell[data-row="{rows[0]}"]')).to_have_text("1")
    expect(page.locator("#progress")).to_contain_text("0 of")


def test_in_a_third_reading_it_stays_unsaid_what_the_other_reader_said(
    page: Page, own_run: Run, rows: list[int]
) -> None:
    apply(own_run, "A", {rows[0]: "monocyte"})
    apply(own_run, "B", {rows[0]: "lymphocyte"})
    open_as(page, own_run, "A")
    cell = page.locator("#third .cell")
    cell.focus()
    page.keyboard.press("Backspace")
    expect(cell).to_have_text("taken back")
    expect(cell).to_have_accessible_name("Cell 1 to look at, your answer is taken back")


def test_a_cell_shows_what_it_counts_as_once_the_own_answer_is_taken_back(
    page: Page, own_run: Run, rows: list[int]
) -> None:
    several, latest = rows[:2]
    for reader, answers in (
        ("9", {several: "monocyte", latest: "monocyte"}),
        ("X", {several: "monocyte"}),
        ("A", {several: "plasma_cells", latest: "lymphocyte"}),
        ("Y", {several: "lymphocyte"}),
        ("1", {latest: "lymphocyte"}),
    ):
        apply(own_run, reader, dict(answers))
    open_as(page, own_run, "A")
    shown = [page.locator(f'#before .cell[data-row="{row}"]') for row in (several, latest)]
    for cell in shown:
        cell.focus()
        page.keyboard.press("Backspace")
    expect(shown[0]).to_have_text("✓ Monocyte")
    expect(shown[1]).to_have_text("✓ Lymphocyte")
    after = apply_answers(own_run, save(page), "A", "answers").run
    cells = reviewed_cells(after)
    assert cells is not None
    counts_as = {cell["row"]: cell["counts_as"] for cell in cells.to_pylist()}
    assert counts_as == {several: "monocyte", latest: "lymphocyte"}


def test_a_refusal_is_said_until_something_is_answered_and_what_was_saved_stays_said(
    page: Page, own_run: Run, rows: list[int]
) -> None:
    apply(own_run, "A", {rows[0]: "monocyte", rows[1]: "monocyte"})
    open_patient(page, own_run, PATIENT)
    said = page.locator("#save-said")
    first, second = page.locator("#before .cell").all()
    first.focus()
    page.keyboard.press("Backspace")
    expect(said).to_contain_text("Type your name as reviewer first")
    second.focus()
    page.keyboard.press("o")
    expect(said).to_have_text("")
    page.on("dialog", lambda one: one.accept())
    page.get_by_label("Reviewer").fill("A")
    page.get_by_label("Reviewer").blur()
    save(page)
    first.focus()
    page.keyboard.press("Backspace")
    expect(first).to_have_text("taken back")
    expect(said).to_contain_text("Saved as")


def test_an_answer_taken_back_is_none_that_was_given(page: Page, own_run: Run) -> None:
    cells = data_of(page_path(own_run, PATIENT))["cells"]
    row = next(cell["row"] for cell in cells if not cell["order"])
    apply(own_run, "A", {row: "monocyte"})
    open_as(page, own_run, "A")
    cell = page.locator(f'#gallery .cell[data-row="{row}"]')
    cell.focus()
    page.keyboard.press("o")
    expect(page.locator("#progress")).to_contain_text("1 besides")
    for _ in range(2):  # the draft's, then the one that was applied
        cell.focus()
        page.keyboard.press("Backspace")
    expect(page.locator("#progress")).not_to_contain_text("besides")


def test_the_field_shows_the_own_remark_and_the_page_all_of_them(page: Page, own_run: Run) -> None:
    apply(own_run, "A", {}, "clots")
    apply(own_run, "B", {}, "few cells")
    open_as(page, own_run, "A")
    expect(page.get_by_label("Comment")).to_have_value("clots")
    expect(page.get_by_text("Remark of B: few cells")).to_be_visible()
    for reader, remark in (("C", ""), ("B", "few cells")):
        page.get_by_label("Reviewer").fill(reader)
        page.get_by_label("Reviewer").blur()
        expect(page.get_by_label("Comment")).to_have_value(remark)
    page.get_by_label("Comment").fill("")
    assert save(page).patients[PATIENT].comment is None
