"""The report in a browser, from the disk: what readers do with it, and that nothing complains."""

import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from helpers.report_pages import HOSTILE_NAMES, data_of, overview, page_path
from playwright.sync_api import Browser, Locator, Page, expect

from bloodcell.review.answers import check_answers, parse_answers
from bloodcell.review.leukocytes import STRATA
from bloodcell.review.sample import Sample, sample_share
from bloodcell.run import Run


def rows(page: Page) -> Locator:
    return page.locator("#table tbody tr:visible")


def names(page: Page) -> list[str]:
    return page.locator("#table tbody tr:visible a").all_text_contents()


def open_patient(page: Page, run: Run, name: str) -> dict[str, Any]:
    page.goto(page_path(run, name).as_uri())
    expect(page.locator("#planned .cell img[src], #gallery .cell img[src]").first).to_be_visible()
    return data_of(page_path(run, name))


def counted(page: Page, code: str) -> str:
    return page.locator(f'#counts tr[data-code="{code}"] .corrected').text_content() or ""


# --- the overview


def test_the_table_is_sorted_by_any_column(page: Page, ward: Run) -> None:
    page.goto(overview(ward))
    given = ward.patients.to_pylist()
    page.get_by_role("button", name="Sort by naive %").click()
    page.get_by_role("button", name="Sort by naive %").click()
    naive = [row["blast_percent_naive"] for row in given]
    most = max(value for value in naive if value is not None)
    assert rows(page).first.get_attribute("data-naive") == str(most)
    page.get_by_role("button", name="Sort by Patient").click()
    by_name = [name for name in names(page) if name.startswith("p0")]
    assert by_name == sorted(by_name)
    assert page.locator("th[aria-sort]").count() == 1


def test_a_hundred_patients_are_a_page(page: Page, ward: Run) -> None:
    page.goto(overview(ward))
    assert rows(page).count() == 100
    page.get_by_role("button", name="Next").click()
    assert rows(page).count() == ward.patients.num_rows - 100
    page.get_by_role("button", name="Before").click()
    assert rows(page).count() == 100


def test_patients_are_filtered(page: Page, ward: Run) -> None:
    page.goto(overview(ward))
    table = ward.patients.to_pylist()
    for field, value, expected in (
        ("valid", "no", [p for p in table if p["blast_percent"] is None]),
        ("rejected", "1", [p for p in table if p["rejected"] > 0.01 * p["cells"]]),
        ("status", "final", []),
        ("band", "3", [p for p in table if p["blast_percent"] is not None and np.argmax(
            [p["band_under_5"], p["band_5_9"], p["band_10_19"], p["band_20_up"]]) == 3]),
    ):  # fmt: skip
        page.locator(f"[name={field}]").select_option(value)
        assert sorted(names(page)) == sorted(p["patient"] for p in expected)
        page.get_by_role("button", name="All").click()
        expect(rows(page)).to_have_count(100)
    page.locator("[name=name]").fill("WHOLE")
    assert names(page) == ["whole"]
    page.locator("[name=name]").fill("nobody")
    expect(page.get_by_text("No patient is like that.")).to_be_visible()


def test_look_first_leaves_those_with_planned_cells(page: Page, ward: Run) -> None:
    page.goto(overview(ward))
    page.get_by_label("look first only").check()
    looks = [int(row.get_attribute("data-look") or 0) for row in rows(page).all()]
    assert looks
    assert min(looks) > 0


def test_hostile_names_are_shown_as_text(page: Page, ward: Run) -> None:
    page.goto(overview(ward))
    shown = page.locator("#table tbody a").all_text_contents()
    assert set(HOSTILE_NAMES) <= set(shown)
    assert page.title() == "Blast counts by patient"
    for name in HOSTILE_NAMES:
        page.goto(page_path(ward, name).as_uri())
        assert page.title().startswith(name.strip("\u2028"))
        assert (page.locator("h1").text_content() or "").startswith(name)
    page.locator("#comment").fill(HOSTILE_NAMES[0])
    page.reload()
    assert page.locator("#comment").input_value() == HOSTILE_NAMES[0]


# --- a patient


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
    assert page.locator("#progress").text_content() == f"3 of {len(planned)} planned cells answered"
    drafts = page.evaluate("Object.values(window.localStorage)")
    answers = json.loads(next(text for text in drafts if text.startswith("{")))["answers"]
    codes = ["blast_no_lineage_spec", "lymphocyte", "blast_no_lineage_spec"]
    assert answers == {str(c["row"]): code for c, code in zip(planned, codes, strict=False)}


def test_every_class_has_its_letter_on_the_screen(page: Page, run: Run) -> None:
    data = open_patient(page, run, "phantom-001")
    page.locator("#gallery .cell").first.click()
    legend = [text.strip() for text in page.locator("#large .legend button").all_text_contents()]
    assert legend == [f"{c['letter']} {c['name']}" for c in data["classes"]]
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
    assert shown == (f"{100 * expected.share:.1f}", f"{low:.1f} to {high:.1f}")


def test_the_pages_sample_share_is_that_of_the_review(page: Page, run: Run) -> None:
    open_patient(page, run, "phantom-001")
    draw = np.random.default_rng(7)
    for _ in range(40):
        cells = draw.integers(0, 400, STRATA)
        seen = np.minimum(draw.integers(0, 60, STRATA), cells)
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


# --- served by `bloodcell review serve`


class Served(http.server.SimpleHTTPRequestHandler):
    """Serves a report and takes its answers, as the command does."""

    taken: ClassVar[list[tuple[str, str | None, bytes]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.taken.append((self.path, self.headers["X-Token"], body))
        is_known = self.headers["X-Token"] == "secret"
        self.send_response(200 if is_known else 403)
        self.end_headers()
        self.wfile.write(b"applied" if is_known else b"the token is another one")

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


# --- the policy, narrow screens, paper


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


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen(page: Page, ward: Run, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for address in (overview(ward), page_path(ward, "whole").as_uri()):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        outside = page.evaluate(
            """width => [...document.querySelectorAll("td, th, .big, dd, li")].filter((one) => {
                const box = one.getBoundingClientRect();
                return one.offsetParent && box.width > 1 && (box.left < 0 || box.right > width);
            }).map((one) => one.textContent)""",
            width,
        )
        assert outside == []


PAPER_PX = {"A4": 703, "Letter": 725}
"""Width that 12 mm of margin on both sides leave of the paper, at 96 px an inch."""


@pytest.mark.parametrize("paper", PAPER_PX)
def test_on_paper_nothing_is_cut_and_all_patients_are_there(
    page: Page, ward: Run, paper: str
) -> None:
    page.emulate_media(media="print")
    page.set_viewport_size({"width": PAPER_PX[paper], "height": 1000})
    page.goto(page_path(ward, "whole").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= PAPER_PX[paper]
    for text in ("Blasts", "95 % interval", "Denominator", "Research use only.", "Rejected cells"):
        assert page.get_by_text(text).first.is_visible()
    assert page.locator("#desk").is_hidden()
    page.goto(overview(ward))
    assert page.evaluate("document.documentElement.scrollWidth") <= PAPER_PX[paper]
    assert rows(page).count() == ward.patients.num_rows
    assert page.pdf(format=paper).startswith(b"%PDF")


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
