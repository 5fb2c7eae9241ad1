"""A patient's page in a browser, from the disk: pictures, keys, counts."""

import json

import numpy as np
import pytest
from helpers.report_pages import (
    counted,
    open_patient,
)
from playwright.sync_api import Page, expect

from bloodcell.report.pages import percent
from bloodcell.review.leukocytes import STRATA
from bloodcell.review.sample import Sample, sample_share
from bloodcell.run import Run


def test_every_image_of_the_gallery_is_shown(page: Page, run: Run) -> None:
    data = open_patient(page, run, "phantom-001")
    images = page.locator("#gallery .cell img")
    assert images.count() == len(data["cells"]) == 24
    is_drawn = "images => images.every(one => one.complete && one.naturalWidth > 0)"
    page.wait_for_function(f"({is_drawn})([...document.querySelectorAll('#gallery img')])")


def test_a_cell_is_moved_by_the_letter_of_its_class_and_taken_back(page: Page, run: Run) -> None:
    data = open_patient(page, run, "phantom-001")
    order = {c["code"]: i for i, c in enumerate(data["classes"])}
    cell = next(c for c in data["cells"] if c["class"] != order["plasma_cells"])
    called = data["classes"][cell["class"]]
    button = page.locator(f'#gallery .cell[data-row="{cell["row"]}"]')
    section = page.locator('#gallery section[data-code="plasma_cells"]')
    button.focus()
    page.keyboard.press("c")
    expect(section.locator(f'.cell[data-row="{cell["row"]}"]')).to_be_visible()
    assert counted(page, "plasma_cells").startswith("1 (")
    assert counted(page, called["code"]).split(" ")[0] == str(called["n"] - 1)
    page.keyboard.press("Control+z")
    expect(
        page.locator(
            f'#gallery section[data-code="{called["code"]}"] .cell[data-row="{cell["row"]}"]'
        )
    ).to_be_visible()
    assert section.is_hidden()
    page.keyboard.press("Control+y")
    assert counted(page, "plasma_cells").startswith("1 (")
    page.get_by_role("button", name="Undo").click()
    assert counted(page, "plasma_cells") == ""


def test_arrows_go_from_cell_to_cell(page: Page, run: Run) -> None:
    open_patient(page, run, "phantom-001")
    at = "document.activeElement.dataset.row"
    cells = [int(c.get_attribute("data-row") or -1) for c in page.locator("#gallery .cell").all()]
    page.locator("#gallery .cell").first.focus()
    page.keyboard.press("ArrowRight")
    assert int(page.evaluate(at)) == cells[1]
    page.keyboard.press("ArrowLeft")
    assert int(page.evaluate(at)) == cells[0]
    page.keyboard.press("ArrowDown")
    assert int(page.evaluate(at)) not in cells[:1]
    page.keyboard.press("ArrowUp")
    assert page.evaluate(at) is not None


def test_the_plan_is_read_in_the_large_picture_by_keys_alone(page: Page, run: Run) -> None:
    data = open_patient(page, run, "phantom-001")
    planned = sorted((c for c in data["cells"] if c["order"]), key=lambda c: c["order"])
    page.locator("#planned .cell").first.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("#large")
    expect(dialog).to_be_visible()
    assert "network" not in (dialog.locator(".at").text_content() or "")
    for letter in "blb":
        page.keyboard.press(letter)
    assert f"4 of {len(planned)}" in (dialog.locator(".at").text_content() or "")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert page.locator("#progress").text_content() == f"3 of {len(planned)} in this round"
    drafts = page.evaluate("Object.values(window.localStorage)")
    answers = json.loads(next(text for text in drafts if text.startswith("{")))["answers"]
    codes = ["blast_no_lineage_spec", "lymphocyte", "blast_no_lineage_spec"]
    assert answers == {str(c["row"]): code for c, code in zip(planned, codes, strict=False)}


HOLD = """letter => { for (let i = 0; i < 5; i += 1) document.activeElement.dispatchEvent(
    new KeyboardEvent("keydown", {key: letter, bubbles: true, repeat: i > 0})); }"""
"""A key goes down and repeats four times, as it does while it is held."""


def test_a_key_that_is_held_answers_one_cell(page: Page, run: Run) -> None:
    open_patient(page, run, "phantom-001")
    page.locator("#planned .cell").first.focus()
    page.evaluate(HOLD, "b")
    expect(page.locator("#progress")).to_contain_text("1 of ")
    page.keyboard.press("Enter")
    page.evaluate(HOLD, "o")
    expect(page.locator("#progress")).to_contain_text("2 of ")


def test_after_the_last_cell_no_key_answers_it_again(page: Page, run: Run) -> None:
    data = open_patient(page, run, "phantom-001")
    planned = sorted((c for c in data["cells"] if c["order"]), key=lambda c: c["order"])
    page.locator("#planned .cell").first.click()
    for _ in planned:
        page.keyboard.press("b")
    end = page.locator("#large .end")
    expect(end).to_contain_text(f"All {len(planned)} are answered")
    page.keyboard.press("o")
    page.keyboard.press("Backspace")
    last = page.locator("#planned .cell").last
    expect(last).to_contain_text("Blast")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#large .at")).to_contain_text(f"{len(planned)} of {len(planned)}")
    page.keyboard.press("o")
    expect(last).to_contain_text("Monocyte")
    expect(end).to_be_visible()
    page.keyboard.press("Control+z")
    expect(page.locator("#large [aria-pressed=true]")).to_contain_text("Blast")


def test_the_end_says_what_was_left_out(page: Page, run: Run) -> None:
    data = open_patient(page, run, "phantom-001")
    planned = sum(bool(cell["order"]) for cell in data["cells"])
    page.locator("#planned .cell").last.click()
    page.keyboard.press("b")
    expect(page.locator("#large .end")).to_contain_text(f"1 of {planned} are answered")


def test_every_class_has_its_letter_on_the_screen(page: Page, run: Run) -> None:
    data = open_patient(page, run, "phantom-001")
    page.locator("#gallery .cell").first.click()
    legend = [text.strip() for text in page.locator("#large .legend button").all_text_contents()]
    classes = [f"{c['letter']} {c['name']}" for c in data["classes"]]
    assert legend == [*classes, "- cannot tell"]
    page.locator("#large .legend button").nth(3).click()
    assert counted(page, data["classes"][3]["code"]) != ""


def test_the_share_of_the_cells_seen_moves_at_once(page: Page, run: Run) -> None:
    data = open_patient(page, run, "phantom-001")
    assert page.locator("#live").is_hidden()
    planned = sorted((c for c in data["cells"] if c["order"]), key=lambda c: c["order"])
    page.locator("#planned .cell").first.click()
    for i in range(len(planned)):
        page.keyboard.press("b" if i % 3 == 0 else "l" if i % 3 == 1 else "u")
    page.keyboard.press("Escape")
    seen, blasts, others = (np.zeros(STRATA, np.int64) for _ in range(3))
    for i, cell in enumerate(planned):
        seen[cell["stratum"]] += 1
        blasts[cell["stratum"]] += i % 3 == 0
        others[cell["stratum"]] += i % 3 == 1
    expected = sample_share(Sample(np.array(data["strata"]), seen, blasts, others))
    shown = (
        page.locator("#live-share").text_content(),
        page.locator("#live-interval").text_content(),
    )
    low, high = 100 * expected.low, 100 * expected.high
    assert shown == (percent(100 * expected.share), f"{percent(low)} to {percent(high)}")


@pytest.mark.parametrize(("most_cells", "most_seen"), [(400, 60), (6000, 2500)])
def test_the_pages_sample_share_is_that_of_the_review(
    page: Page, run: Run, most_cells: int, most_seen: int
) -> None:
    open_patient(page, run, "phantom-001")
    draw = np.random.default_rng(7)
    for _ in range(40):
        cells = draw.integers(0, most_cells, STRATA)
        seen = np.minimum(draw.integers(0, most_seen, STRATA), cells)
        blasts = draw.binomial(seen, draw.random())
        others = draw.binomial(seen - blasts, 0.9)
        known = int(draw.integers(0, 9))
        sample = Sample(cells, seen, blasts, others, known, int(draw.integers(0, known + 1)))
        arrays = {n: getattr(sample, n).tolist() for n in ("cells", "seen", "blasts", "others")}
        given = {**arrays, "known": known, "knownBlasts": sample.known_blasts}
        share = page.evaluate("sample => window.bloodcell.sampleShare(sample)", given)
        expected = sample_share(sample)
        if share is None:
            assert np.isnan(expected.share)
        else:
            both = zip((share["share"], share["low"], share["high"]),
                       (expected.share, expected.low, expected.high), strict=True)  # fmt: skip
            assert all(abs(a - b) < 1e-9 for a, b in both)
