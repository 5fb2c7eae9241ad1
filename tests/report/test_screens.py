"""The policy of the pages, narrow screens, paper, and those who hear."""

import shutil
from pathlib import Path

import pytest
from helpers.report_pages import open_patient, overview, page_path, rows
from playwright.sync_api import Browser, Page

from bloodcell.run import Run


def test_the_policy_stops_scripts_and_requests(browser: Browser, run: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(run.folder / "report", tmp_path / "report")
    index = folder / "index.html"
    attack = "<script>document.title='taken'</script><img src='http://127.0.0.1:9/x'></main>"
    index.write_text(index.read_text().replace("</main>", attack))
    with browser.new_context() as context:
        page = context.new_page()
        stopped: list[str] = []
        page.on("console", lambda line: stopped.append(line.text))
        page.goto(index.as_uri())
        assert page.title() == "Blast counts by patient"
        assert sum("Content Security Policy" in text for text in stopped) == 2


OUTSIDE = """width => [...document.querySelectorAll("td, th, .big, dd, li, p")].filter((one) => {
    const box = one.getBoundingClientRect();
    const column = one.closest(".columns > *")?.getBoundingClientRect().right ?? width;
    const isShown = one.offsetParent && box.width > 1;
    return isShown && (box.left < 0 || box.right > Math.min(width, column + 1));
}).map((one) => one.textContent)"""
"""What reaches beyond the screen, or its column, of so many px."""


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen(page: Page, ward: Run, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for address in (overview(ward), page_path(ward, "whole").as_uri()):
        page.goto(address)
        if page.locator("#gallery .cell").count():  # so that the corrected counts are there
            page.locator("#gallery .cell").first.focus()
            page.keyboard.press("b")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(OUTSIDE, width) == []


PAPER_PX = {"A4": 703, "Letter": 725}
"""Width that 12 mm of margin on both sides leave of the paper, at 96 px an inch."""


@pytest.mark.parametrize("paper", PAPER_PX)
def test_on_paper_nothing_is_cut_and_all_patients_are_there(
    page: Page, ward: Run, paper: str
) -> None:
    page.emulate_media(media="print")
    page.set_viewport_size({"width": PAPER_PX[paper], "height": 1000})
    page.goto(page_path(ward, "whole").as_uri())
    page.evaluate("document.getElementById('counts').classList.add('has-corrected')")
    assert page.evaluate("document.documentElement.scrollWidth") <= PAPER_PX[paper]
    outside = page.evaluate(OUTSIDE, PAPER_PX[paper])
    assert outside == []
    for text in ("Blasts", "95 % interval", "Denominator", "Research use only.", "Rejected cells"):
        assert page.get_by_text(text).first.is_visible()
    assert page.locator("#desk").is_hidden()
    page.goto(overview(ward))
    assert page.evaluate("document.documentElement.scrollWidth") <= PAPER_PX[paper]
    assert rows(page).count() == ward.patients.num_rows
    assert page.pdf(format=paper).startswith(b"%PDF")


def test_an_unidentified_cell_is_marked_for_eyes_and_ears(page: Page, run: Run) -> None:
    data = open_patient(page, run, "phantom-001")
    by_row = {str(cell["row"]): cell for cell in data["cells"]}
    marked = {row for row, cell in by_row.items() if cell["unidentified"]}
    assert marked
    for button in page.locator("#gallery .cell").all():
        is_marked = button.get_attribute("data-row") in marked
        assert (button.get_attribute("aria-label") or "").endswith(", unidentified") == is_marked
        assert (button.text_content() or "").endswith(" ?") == is_marked
    # What is still to be answered says nothing of what the network makes of it.
    for button in page.locator("#planned .cell").all():
        assert "unidentified" not in (button.get_attribute("aria-label") or "")
        assert "?" not in (button.text_content() or "")
    assert page.get_by_text('A cell marked "?" is unidentified').is_visible()
    row = min(marked)
    page.locator(f'#gallery .cell[data-row="{row}"]').click()
    assert "unidentified" in (page.locator("#large .at").text_content() or "")


def test_everything_has_a_name_for_those_who_hear_it(page: Page, run: Run) -> None:
    open_patient(page, run, "phantom-001")
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("button, svg[role=img], input, select")]
            .filter(one => !(one.getAttribute("aria-label") || one.textContent.trim()
                || one.labels?.length)).map(one => one.outerHTML)"""
    )
    assert unnamed == []
    page.locator("#gallery .cell").first.click()
    assert "blast probability" in (page.locator("#large img").get_attribute("alt") or "")
