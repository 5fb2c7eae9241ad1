"""Answers on their way out of the page: a file, or a server of this machine."""

import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from helpers.report_pages import (
    counted,
    data_of,
    open_patient,
    overview,
    page_path,
    rows,
)
from playwright.sync_api import Browser, Page, expect

from bloodcell.report import write_report
from bloodcell.review.answers import (
    Answers,
    PatientAnswers,
    check_answers,
    parse_answers,
    run_identity,
)
from bloodcell.review.apply import apply_answers
from bloodcell.review.planned import plan_identity
from bloodcell.run import Run, open_run


def test_answers_are_saved_as_a_file_that_is_taken(page: Page, run: Run) -> None:
    data = open_patient(page, run, "phantom-001")
    row = data["cells"][0]["row"]
    page.locator(f'#gallery .cell[data-row="{row}"]').focus()
    page.keyboard.press("c")
    page.get_by_label("Sign this patient").check()
    page.get_by_label("Comment").fill("clear")
    page.get_by_label("Reviewer").fill("A. Reader")
    page.get_by_label("Reviewer").blur()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save answers").click()
    assert download.value.suggested_filename == f"answers-{data['run'][:8]}-A-Reader.json"
    answers = parse_answers(Path(download.value.path()).read_bytes(), "answers.json")
    check_answers(run, answers, "answers.json")
    assert answers.reviewer == "A. Reader"
    patient = answers.patients["phantom-001"]
    assert (patient.answers, patient.sign, patient.comment) == (
        {row: "plasma_cells"},
        True,
        "clear",
    )


def test_the_draft_outlives_the_page_and_is_saved_from_the_overview(page: Page, ward: Run) -> None:
    for name in ("whole", "__proto__"):
        open_patient(page, ward, name)
        page.locator("#gallery .cell").first.focus()
        page.keyboard.press("b")
    page.goto(overview(ward))
    page.locator("[name=name]").fill("whole")
    assert "Draft" in (rows(page).first.text_content() or "")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save answers").click()
    answers = parse_answers(Path(download.value.path()).read_bytes(), "answers.json")
    check_answers(ward, answers, "answers.json")
    assert answers.patients.keys() == {"whole", "__proto__"}
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Forget").click()
    assert page.locator(".draft").count() == 0


class Served(http.server.SimpleHTTPRequestHandler):
    """Serves a report and takes its answers, as the command does."""

    taken: ClassVar[list[tuple[str, str | None, bytes]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.taken.append((self.path, self.headers["X-Token"], body))
        is_known = self.headers["X-Token"] == "secret"
        self.send_response(200 if is_known else 403)
        self.end_headers()
        self.wfile.write(b'{"report": null}' if is_known else b"the token is another one")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(run: Run) -> Iterator[str]:
    folder = str(run.folder / "report")
    Served.taken.clear()
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *given: Served(*given, directory=folder)
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_served_page_posts_its_answers_with_the_token(page: Page, run: Run, served: str) -> None:
    page.goto(f"{served}/index.html#token=secret")
    assert "token" not in page.url
    page.get_by_role("link", name="phantom-001").click()
    page.locator("#gallery .cell").first.focus()
    page.keyboard.press("c")
    with page.expect_navigation():
        page.get_by_role("button", name="Apply answers").click()
    path, token, body = Served.taken[0]
    assert (path, token) == ("/answers", "secret")
    answers = parse_answers(body, "answers")
    check_answers(run, answers, "answers")
    assert list(answers.patients) == ["phantom-001"]
    page.goto(f"{served}/index.html")
    assert page.locator(".draft").count() == 0


def test_what_the_server_refuses_is_said_and_the_draft_stays(browser: Browser, served: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{served}/index.html#token=wrong")
        page.get_by_role("link", name="phantom-001").click()
        page.locator("#gallery .cell").first.focus()
        page.keyboard.press("c")
        page.get_by_role("button", name="Apply answers").click()
        expect(page.locator("#save-said")).to_have_text("Not saved: the token is another one")
        assert page.locator(".cell.answered").count() > 0


def test_what_readers_differ_on_is_read_a_third_time(page: Page, run: Run, tmp_path: Path) -> None:
    copy = open_run(shutil.copytree(run.folder, tmp_path / "run"))
    row = data_of(page_path(copy, "phantom-001"))["cells"][0]["row"]
    for reviewer, code in (("A", "monocyte"), ("B", "plasma_cells")):
        patients = {"phantom-001": PatientAnswers({row: code}, False, "")}
        answers = Answers(run_identity(copy), plan_identity(copy), "", patients)
        copy = apply_answers(copy, answers, reviewer, "answers").run
    write_report(copy)
    open_patient(page, copy, "phantom-001")
    expect(page.get_by_role("heading", name="Third reading")).to_be_visible()
    cell = page.locator("#third .cell")
    assert cell.get_attribute("data-row") == str(row)
    assert cell.text_content() == "answered"
    cell.click()
    assert (page.locator("#large .at").text_content() or "").strip() == "1 of 1 answered"
    assert page.locator("#large [aria-pressed=true]").count() == 0
    page.keyboard.press("Escape")
    assert counted(page, "plasma_cells").startswith("1 (")
    cell.focus()
    page.keyboard.press("o")
    assert counted(page, "plasma_cells").startswith("0 (")
