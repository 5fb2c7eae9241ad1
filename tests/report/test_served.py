"""The report in a browser, served by `bloodcell review serve`: looked at, signed and applied."""

import shutil
from pathlib import Path

from click.testing import CliRunner
from helpers.report_pages import data_of, page_path
from helpers.served import Served
from playwright.sync_api import Browser, Page, expect

import bloodcell
from bloodcell.cli import main
from bloodcell.review import PORT
from bloodcell.review.folder import reviewed_patients
from bloodcell.verification import verify


def test_a_draft_outlives_the_server(browser: Browser, run: bloodcell.Run, tmp_path: Path) -> None:
    own = bloodcell.open_run(shutil.copytree(run.folder, tmp_path / "run"))
    served, page = Served(own), browser.new_page()
    try:
        page.goto(served.address)
        page.get_by_role("link", name="phantom-001").click()
        page.locator("#planned .cell").first.focus()
        page.keyboard.press("b")
        served.ended()
        served = Served(own, port=served.port)
        page.get_by_role("button", name="Apply answers").click()
        expect(page.locator("#save-said")).to_contain_text("open the address that it printed")
        expect(page.get_by_label("Reviewer")).to_be_focused()  # there is no name
        page.goto(served.address)
        expect(page.locator(".draft")).to_have_text("Draft")
        page.get_by_role("link", name="phantom-001").click()
        expect(page.locator("#progress")).to_contain_text("1 of")
    finally:
        page.close()
        served.kill()


def test_a_port_of_its_own_is_the_default() -> None:
    shown = CliRunner().invoke(main, ["review", "serve", "--help"]).output
    assert f"default: {PORT}" in " ".join(shown.split())


def test_a_patient_in_a_new_tab_applies_answers_too(
    page: Page, run: bloodcell.Run, tmp_path: Path
) -> None:
    own = bloodcell.open_run(shutil.copytree(run.folder, tmp_path / "run"))
    served = Served(own)
    try:
        page.goto(served.address)
        with page.context.expect_page() as opened:
            page.get_by_role("link", name="phantom-001").click(modifiers=["Control"])
        tab = opened.value
        tab.get_by_label("Reviewer").fill("A. Reader")
        tab.get_by_label("Reviewer").blur()
        assert "token" not in tab.url
        tab.locator("#planned .cell").first.focus()
        tab.keyboard.press("b")
        with tab.expect_navigation():
            tab.get_by_role("button", name="Apply answers").click()
        assert reviewed_patients(own)["phantom-001"]["cells_looked_at"] == 1
    finally:
        served.kill()


def test_what_is_read_and_signed_in_the_page_is_final(
    page: Page, run: bloodcell.Run, tmp_path: Path
) -> None:
    own = bloodcell.open_run(shutil.copytree(run.folder, tmp_path / "run"))
    served = Served(own)
    try:
        page.goto(served.address)
        page.get_by_role("link", name="phantom-001").click()
        planned = [one for one in data_of(page_path(own, "phantom-001"))["cells"] if one["order"]]
        page.locator("#planned .cell").first.click()
        for place in range(len(planned)):
            page.keyboard.press("l" if place % 3 else "b")
        page.keyboard.press("Escape")
        page.get_by_label("Sign this patient").check()
        page.get_by_label("Reviewer").fill("A. Reader")
        page.get_by_label("Reviewer").blur()
        with page.expect_navigation():
            page.get_by_role("button", name="Apply answers").click()
        row = reviewed_patients(own)["phantom-001"]
        assert (row["status"], row["signed_by"]) == ("final", ["A. Reader"])
        assert row["cells_looked_at"] == len(planned)
        expect(page.locator("#headline")).to_have_text(f"{row['blast_percent']:.1f}")
        assert served.ended()[0] == 0
        assert all(finding.good for finding in verify(own.folder))
    finally:
        served.kill()
