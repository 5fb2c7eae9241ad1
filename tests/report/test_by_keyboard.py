"""A review by keys alone in a small window, as of a large one at 200 %: nothing hidden or lost."""

import pytest
from helpers.report_pages import open_patient
from helpers.served import Served
from playwright.sync_api import Page, expect

import bloodcell
from bloodcell.review.folder import reviewed_patients

PATIENT = "phantom-000"


def test_a_round_is_read_applied_and_followed_by_the_next(
    page: Page, own_run: bloodcell.Run, served: Served
) -> None:
    page.set_viewport_size({"width": 640, "height": 400})
    page.goto(served.address)
    page.get_by_role("link", name=PATIENT).press("Enter")
    page.locator("#planned .cell").first.press("Enter")
    status = page.locator("#large [role=status]").element_handle()
    for key in "bo-ooooooo":
        page.keyboard.press(key)
    assert (status.text_content() or "").startswith("All 10 are answered")
    page.keyboard.press("Escape")
    expect(page.get_by_label("Sign this patient")).to_be_focused()
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.type("A. Reader")
    page.keyboard.press("Tab")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.locator("#save-said")).to_have_text("Applied.")
    expect(page.locator("#planned .cell").first).to_be_focused()
    page.wait_for_load_state("load")
    expect(page.locator("#planned .cell").first).to_be_in_viewport()
    assert reviewed_patients(own_run)[PATIENT]["cells_looked_at"] == 9
    page.reload()
    expect(page.locator("#save-said")).to_have_text("")


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1366, 657), (1280, 600), (640, 400)])
def test_all_keys_are_in_sight_beside_the_picture(
    page: Page, run: bloodcell.Run, width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    open_patient(page, run, PATIENT)
    page.locator("#planned .cell").first.press("Enter")
    expect(page.locator("#large .legend button").last).to_be_in_viewport(ratio=0.95)
    expect(page.get_by_role("button", name="Close")).to_be_in_viewport(ratio=0.95)


def test_a_draft_does_not_change_hands_unasked(page: Page, own_run: bloodcell.Run) -> None:
    asked: list[str] = []
    page.on("dialog", lambda one: asked.append(one.message) or one.dismiss())
    open_patient(page, own_run, PATIENT)
    name = page.get_by_label("Reviewer")
    name.fill("A")
    page.locator("#planned .cell").first.press("b")
    name.fill("B")
    name.blur()
    expect(name).to_have_value("A")
    assert asked == ["This browser keeps answers that A has not applied. Are they B's?"]
