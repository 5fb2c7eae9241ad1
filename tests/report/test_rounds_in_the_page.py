"""Round after round in a patient's page: what waits, what comes next, and when nothing does."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from helpers.report_pages import Parsed, data_of, open_patient, page_path
from helpers.reviews import answers_of, saved
from helpers.served import Served
from playwright.sync_api import Page, expect

import bloodcell
from bloodcell.cli import main
from bloodcell.errors import DiskError
from bloodcell.report import write_report
from bloodcell.review.folder import reviewed_patients
from bloodcell.serving import apply_and_show

FIRST, SECOND, THIRD = "phantom-000", "phantom-001", "phantom-002"
SECOND_ROUND = 9
"""Of the first patient's 24 cells 19 are called leukocytes, ten of which are the first round."""


def label(row: int) -> str:
    """So that 10 % lies inside the interval of the first round."""
    return "monocyte" if row % 8 else "blast_no_lineage_spec"


def open_as_reader(page: Page, served: Served) -> None:
    page.goto(served.address)
    page.get_by_role("link", name=FIRST).click()
    page.get_by_label("Reviewer").fill("A. Reader")


def read_round(page: Page) -> int:
    """Answer what waits by keys, as ``label`` says; how many cells that were."""
    rows = [int(c.get_attribute("data-row") or -1) for c in page.locator("#planned .cell").all()]
    page.locator("#planned .cell").first.click()
    for row in rows:
        page.keyboard.press("o" if row % 8 else "b")
    page.keyboard.press("Escape")
    return len(rows)


def test_a_served_page_goes_from_round_to_round(
    page: Page, own_run: bloodcell.Run, served: Served
) -> None:
    open_as_reader(page, served)
    expect(page.locator("#progress")).to_have_text("0 of 10 in this round")
    expect(page.locator("#save-button")).to_have_text("Apply answers")
    assert read_round(page) == 10
    expect(page.locator("#progress")).to_have_text("10 of 10 in this round")
    page.get_by_label("Sign this patient").check()
    expect(page.locator("#save-button")).to_have_text("Apply answers")
    page.get_by_label("Sign this patient").uncheck()
    with page.expect_navigation():
        page.get_by_role("button", name="Apply and get the next cells").click()
    expect(page.locator("#progress")).to_have_text(f"0 of {SECOND_ROUND} in this round, 10 before")
    assert page.locator("#before .cell.answered").count() == 10
    page.wait_for_function("[...document.querySelectorAll('#planned img')].every(i => i.src)")
    assert read_round(page) == SECOND_ROUND
    with page.expect_navigation():
        page.get_by_role("button", name="Apply and get the next cells").click()
    expect(page.locator("#progress")).to_have_text("no cell waits, 19 before")
    expect(page.get_by_text("No further cell would change what is decided")).to_be_visible()
    page.get_by_label("Sign this patient").check()
    with page.expect_navigation():
        page.get_by_role("button", name="Apply answers").click()
    expect(page.get_by_text("Signed: no further cell is asked for.")).to_be_visible()
    row = reviewed_patients(own_run)[FIRST]
    assert (row["status"], row["cells_looked_at"]) == ("final", 19)


def test_from_the_disk_the_next_round_comes_by_files(
    page: Page, own_run: bloodcell.Run, tmp_path: Path
) -> None:
    open_patient(page, own_run, FIRST)
    assert read_round(page) == 10
    with page.expect_download() as download:
        page.get_by_role("button", name="Save answers").click()
    expect(page.locator("#save-said")).to_contain_text("then open this page again")
    file = shutil.copyfile(download.value.path(), tmp_path / "answers.json")
    words = ["review", "apply", str(own_run.folder), str(file), "--reviewer", "A"]
    applied = CliRunner().invoke(main, words)
    assert applied.exit_code == 0, applied.stderr
    page.reload()
    expect(page.locator("#progress")).to_have_text(f"0 of {SECOND_ROUND} in this round, 10 before")


def test_a_round_is_shown_though_only_earlier_images_are_left(
    smears: Path,
    drawn_model: Path,
    tmp_path: Path,
    page: Page,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bloodcell.report.gallery.ALL_UP_TO", 0)
    monkeypatch.setattr("bloodcell.report.gallery.OF_BLASTS", 1)
    monkeypatch.setattr("bloodcell.report.gallery.OF_ANOTHER", 1)
    source = shutil.copytree(smears / FIRST, tmp_path / "in" / FIRST).parent
    run = bloodcell.score(source, tmp_path / "run", drawn_model)
    pack = run.folder / "report" / "images" / "00001.js"
    before = set(pack.read_text().splitlines())
    shutil.rmtree(source)
    apply_and_show(run, answers_of(run, label, [FIRST], sign=False), "A", "answers")
    lines = [line for line in before if line.startswith('"')]
    assert {one.rstrip(",") for one in lines} == {
        one.rstrip(",") for one in pack.read_text().splitlines() if one.startswith('"')
    }
    page.goto(page_path(run, FIRST).as_uri())
    expect(page.locator("#before img[src]")).to_have_count(10)
    expect(page.locator("#planned .no-picture")).not_to_have_count(0)
    shutil.copytree(smears / FIRST, source / FIRST)
    write_report(run)
    page.reload()
    expect(page.locator("#planned img[src]")).to_have_count(data_of_round(run))


def data_of_round(run: bloodcell.Run) -> int:
    data = data_of(page_path(run, FIRST))
    return sum(bool(c["order"]) and str(c["row"]) not in data["applied"] for c in data["cells"])


def test_applying_writes_the_pages_of_the_named_patients_alone(own_run: bloodcell.Run) -> None:
    pages = [page_path(own_run, name) for name in (FIRST, SECOND, THIRD)]
    for path in pages[1:]:
        path.write_text("as it was")
    apply_and_show(own_run, answers_of(own_run, label, [FIRST], sign=False), "A", "answers")
    assert "10 cells were looked at" in Parsed(pages[0].read_text()).text
    assert [path.read_text() for path in pages[1:]] == ["as it was"] * 2
    assert f'data-look="{SECOND_ROUND}"' in (own_run.folder / "report" / "index.html").read_text()


@pytest.mark.parametrize("changed", ["index.html", "assets/reading.js"])
def test_a_report_of_another_version_or_half_of_one_is_written_whole(
    own_run: bloodcell.Run, changed: str
) -> None:
    page_path(own_run, SECOND).write_text("as it was")
    (own_run.folder / "report" / changed).unlink()
    apply_and_show(own_run, answers_of(own_run, label, [FIRST], sign=False), "A", "answers")
    assert "as it was" not in page_path(own_run, SECOND).read_text()


def refusing(_run: Any, _changed: Any = None) -> None:
    raise DiskError("cannot write report: No space left on device")


def test_what_is_applied_is_said_to_be_though_the_report_could_not_be_written(
    own_run: bloodcell.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bloodcell.serving.write_report", refusing)
    file = saved(answers_of(own_run, label, [FIRST]), tmp_path / "answers.json")
    words = ["review", "apply", str(own_run.folder), str(file), "--reviewer", "A"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 1
    assert FIRST in done.stdout
    assert "the answers are applied, but the report is not written anew: cannot" in done.stderr
    assert reviewed_patients(own_run)[FIRST]["status"] == "final"


def test_a_page_says_so_too_and_forgets_the_draft(
    page: Page, own_run: bloodcell.Run, served: Served
) -> None:
    open_as_reader(page, served)
    page.locator("#planned .cell").first.focus()
    page.keyboard.press("o")
    path = page_path(own_run, FIRST)
    path.unlink()
    path.mkdir()
    page.get_by_role("button", name="Apply answers").click()
    said = "Applied: the answers are applied, but the report is not written anew"
    expect(page.locator("#save-said")).to_contain_text(said)
    assert page.evaluate("Object.keys(localStorage).filter(k => k.endsWith('phantom-000'))") == []
    assert reviewed_patients(own_run)[FIRST]["cells_looked_at"] == 1
