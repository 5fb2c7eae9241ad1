"""Pages from templates, and the files that all of them share.

Who writes them syncs their folders.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from functools import cache
from pathlib import Path

import jinja2
import pyarrow as pa

from bloodcell import repeated_images
from bloodcell.bands import share_text
from bloodcell.files import write_whole
from bloodcell.report.content import Content
from bloodcell.report.reviews import Reviews
from bloodcell.run_record import RepeatedImages

_HERE = Path(__file__).parent


@cache
def load_templates() -> jinja2.Environment:
    """The templates, compiled once; every string that goes into one is escaped."""
    templates = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
    )
    templates.filters |= {
        "percent": percent, "whole": whole, "chance": chance, "number_of": number_of,
        "to_the_minute": to_the_minute,
    }  # fmt: skip
    # Not when they are needed: threads that do at the same time would each compile them.
    for name in templates.list_templates():
        templates.get_template(name)
    return templates


def overview_page(content: Content) -> bytes:
    """``index.html``."""
    template = load_templates().get_template("index.html.jinja")
    return template.render(content.shared | content.overview()).encode()


def repeated_section(repeated: RepeatedImages | None, patient: str) -> str:
    """What the page of ``patient`` says of images that are there more than once."""
    lines = list(repeated_images.told_of(repeated, patient))
    return load_templates().get_template("repeated.jinja").render(repeated=lines)


def patient_page(content: Content, place: int, cells: pa.Table, repeated: str) -> bytes:
    """The page of the patient at ``place`` in ``content``.

    ``cells``: those that it shows; ``repeated``: see ``repeated_section``.
    """
    paths = dict(zip(cells["row"].to_pylist(), cells["path"].to_pylist(), strict=True))
    template = load_templates().get_template("patient.html.jinja")
    said = content.shared | content.patient(place, paths)
    return template.render(said, repeated=repeated).encode()


def standing_script(reviews: Reviews) -> bytes:
    """``standing.js``, by which a page that was opened earlier knows what was applied since."""
    pairs = json.dumps(list(reviews.standing.items()))
    return f"window.bloodcell.standing = new Map({pairs});\n".encode()


def write_page(path: Path, page: bytes) -> None:
    """Write a page, unless it is there; DiskError if the disk refuses."""
    _write_unless_there(path, page)


def write_assets(folder: Path) -> bool:
    """Write scripts and style sheet to ``folder``; DiskError if the disk refuses.

    Returns whether others were there, or none.
    """

    def write(asset: Path) -> bool:
        return _write_unless_there(folder / asset.name, asset.read_bytes())

    # The disk syncs many files as fast as one.
    with ThreadPoolExecutor() as pool:
        return any(list(pool.map(write, (_HERE / "assets").iterdir())))


def _write_unless_there(path: Path, content: bytes) -> bool:
    # Syncing is what takes time.
    if path.is_file() and path.read_bytes() == content:
        return False
    write_whole(path, lambda beside: beside.write_bytes(content), syncs_folder=False)
    return True


def percent(value: float | None) -> str:
    """A percentage as the pages show it, see ``share_text``; ``reading.js`` has the same."""
    return "–" if value is None else share_text(value)  # noqa: RUF001 - an en dash


def whole(value: int) -> str:
    """A count as the pages show it."""
    return f"{value:,}"


def number_of(count: int, one: str, more: str = "") -> str:
    """A count with what is counted: ``one``, or ``more``, by default with an s."""
    return f"{whole(count)} {one if count == 1 else more or f'{one}s'}"


def to_the_minute(time: str) -> str:
    """A time as the audit log has it, for people."""
    moment = datetime.fromisoformat(time).astimezone(timezone.utc)
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def chance(value: float) -> str:
    """A chance of 0 to 1 in percent; what is not 0 is not shown as 0, nor as 100 % by rounding."""
    if 0 < value < 0.01:
        return "< 1 %"
    if 0.99 < value < 1:
        return "> 99 %"
    return f"{100 * value:.0f} %"
