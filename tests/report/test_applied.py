"""What was answered and applied, on the page that is written then."""

import shutil
from pathlib import Path

import pytest
from helpers.report_pages import counted, data_of, open_patient, page_path
from playwright.sync_api import Page, expect

from bloodcell.export.results import results_of
from bloodcell.report import write_report
from bloodcell.review.answers import Answers, PatientAnswers, run_identity
from bloodcell.review.apply import apply_answers
from bloodcell.review.planned import plan_identity
from bloodcell.run import Run, open_run

PATIENT = "phantom-001"


@pytest.fixture
def applied(run: Run, tmp_path: Path) -> Run:
    """Of a patient the cells of the first round are plasma cells, but for a smudge cell."""
    copy = open_run(shutil.copytree(run.folder, tmp_path / "run"))
    cells = data_of(page_path(copy, PATIENT))["cells"]
    rows = [cell["row"] for cell in cells if cell["order"]]
    classes = dict.fromkeys(rows, "plasma_cells") | {rows[0]: "smudge_cells"}
    answers = {PATIENT: PatientAnswers(classes, True, "")}
    given = Answers(run_identity(copy), plan_identity(copy), "", answers)
    copy = apply_answers(copy, given, "A. Reader", "answers").run
    write_report(copy)
    return copy


def test_an_applied_cell_shows_what_it_counts_as_and_who_said_so(page: Page, applied: Run) -> None:
    data = open_patient(page, applied, PATIENT)
    row = next(row for row, code in data["applied"].items() if code == "plasma_cells")
    in_class = page.locator('#gallery section[data-code="plasma_cells"]')
    cell = in_class.locator(f'.cell[data-row="{row}"]')
    expect(cell).to_have_text("✓ Plasma cell")
    said = "counts as Plasma cell, said A. Reader"
    assert said in (cell.get_attribute("aria-label") or "")
    expect(page.locator(f'#before .cell[data-row="{row}"]')).to_have_text("✓ Plasma cell")
    cell.click()
    expect(page.locator("#large [aria-pressed=true]")).to_contain_text("Plasma cell")
    expect(page.locator("#large .at")).to_contain_text(said)


def test_headings_count_the_cells_below_them(page: Page, applied: Run) -> None:
    open_patient(page, applied, PATIENT)
    for section in page.locator("#gallery section:visible").all():
        heading = section.locator("h3 .quiet").text_content()
        assert heading == str(section.locator(".cell").count())


def test_reviewed_counts_have_their_percent_and_the_exports_denominator(
    page: Page, applied: Run
) -> None:
    open_patient(page, applied, PATIENT)
    results = next(one for one in results_of(applied) if one.patient == PATIENT)
    assert results.denominator != applied.patients.to_pylist()[1]["denominator"]
    total = page.locator("#counts .total .corrected")
    expect(total).to_have_text(f"{results.denominator}")
    count, share = counted(page, "plasma_cells").split(" ", 1)
    assert share == f"({100 * int(count) / results.denominator:.1f} %)"
    # A draft counts on from there.
    page.locator('#gallery section[data-code="plasma_cells"] .cell').first.focus()
    page.keyboard.press("u")
    expect(total).to_have_text(f"{results.denominator - 1}")
