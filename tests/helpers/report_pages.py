"""A report's pages as a browser or a program sees them."""

import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import bloodcell

HOSTILE_NAMES = [
    "</script><script>document.title='taken'</script>",
    '"><img src=x onerror="document.title=\'taken\'">',
    "'; document.title='taken' //",
    "{{ 7 * 7 }}",
    "__proto__",
    "../../etc/passwd",
    "=1+1",
    "\u202etxet ,\u00fcber & <b>\u2028",
]


class PageLog:
    """What a page complains of: errors of scripts, the console, requests that leave the folder."""

    def __init__(self, page: Any) -> None:
        self.complaints: list[str] = []
        page.on("console", lambda line: self.complaints.append(f"console: {line.text}"))
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        page.on("requestfailed", lambda one: self.complaints.append(f"failed: {one.url}"))
        page.on("request", self._on_request)

    def _on_request(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:", "blob:", "http://127.0.0.1")):
            self.complaints.append(f"left the folder: {request.url}")


def overview(run: bloodcell.Run) -> str:
    return (run.folder / "report" / "index.html").as_uri()


def place_of(run: bloodcell.Run, patient: str) -> int:
    place: int = run.patients["patient"].to_pylist().index(patient)
    return place


def page_path(run: bloodcell.Run, patient: str) -> Path:
    return run.folder / "report" / "patients" / f"{place_of(run, patient) + 1:05d}.html"


@dataclass
class Parsed(HTMLParser):
    """The numbers, the texts and the data of a page."""

    html: str
    numbers: list[tuple[str, str, str]] = field(default_factory=list)
    """Column of patients.parquet, value, text as shown."""
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self._number: tuple[str, str] | None = None
        self.feed(self.html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.tags.append((tag, given))
        if tag == "data":
            self._number = (given["data-column"] or "", given["value"] or "")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._number:
            self.numbers.append((*self._number, data))
            self._number = None


def data_of(path: Path) -> dict[str, Any]:
    """What the page's script is given."""
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text())
    assert block
    data: dict[str, Any] = json.loads(block[1])
    return data


def rows(page: Any) -> Any:
    """The patients that the overview shows now."""
    return page.locator("#table tbody tr:visible")


def open_patient(page: Any, run: bloodcell.Run, name: str) -> dict[str, Any]:
    """Open a patient's page, wait for its images, and give what its script is given."""
    page.goto(page_path(run, name).as_uri())
    page.locator("#planned .cell img[src], #gallery .cell img[src]").first.wait_for()
    return data_of(page_path(run, name))


def counted(page: Any, code: str) -> str:
    """The corrected count of a class, as shown."""
    return page.locator(f'#counts tr[data-code="{code}"] .corrected').text_content() or ""
