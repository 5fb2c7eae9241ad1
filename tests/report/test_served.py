"""The report in a browser, served by `bloodcell review serve`: looked at, signed and applied."""

import shutil
from pathlib import Path

from helpers.report_pages import data_of, page_path
from helpers.served import Served
from playwright.sync_api import Page, expect

import bloodcell
from bloodcell.review.folder import reviewed_patients
from bloodcell.verification import verify


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
