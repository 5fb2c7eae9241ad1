"""A ward of drawn patients with odd names, its report, and a browser to open it in."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.chromium import chromium, chromium_path
from helpers.report_pages import HOSTILE_NAMES, PageLog
from helpers.served import Served
from playwright.sync_api import Browser, Page

import bloodcell

PLAIN_PATIENTS = 100


@pytest.fixture(scope="session")
def run(adjusted_run: bloodcell.Run) -> bloodcell.Run:
    return adjusted_run


@pytest.fixture
def own_run(run: bloodcell.Run, tmp_path: Path) -> bloodcell.Run:
    """A copy that a test may change."""
    return bloodcell.open_run(shutil.copytree(run.folder, tmp_path / "run"))


@pytest.fixture
def served(own_run: bloodcell.Run) -> Iterator[Served]:
    """`bloodcell review serve` of it."""
    server = Served(own_run)
    yield server
    server.kill()


@pytest.fixture(scope="session")
def ward(
    smears: Path, drawn_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> bloodcell.Run:
    """A run of 100 patients of one cell each, of those with hostile names, and one of 24 cells.

    The last has a cell that is rejected, under a hostile path.
    """
    folder = tmp_path_factory.mktemp("ward")
    images = sorted(path for path in smears.rglob("*/*") if path.is_file())
    rows = [(f"{i:03d}.img", f"p{i:03d}", images[i % 72]) for i in range(PLAIN_PATIENTS)]
    rows += [(f"h{i}.img", name, images[i]) for i, name in enumerate(HOSTILE_NAMES)]
    rows += [(f"w{i}.img", "whole", images[i]) for i in range(24)]
    for path, _, image in rows:
        os.link(image, folder / path)
    (folder / "<b>bad<").write_bytes(b"no image")
    lines = [f'{path},"{name.replace(chr(34), 2 * chr(34))}"' for path, name, _ in rows]
    (folder / "cells.csv").write_text("\n".join(["path,patient", *lines, "<b>bad<,whole", ""]))
    return bloodcell.score(folder / "cells.csv", folder / "run", drawn_model)


# Of each file its own: while one is open, nothing else of this process may run an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window; skipped where there is none, required where CI=true."""
    if chromium_path() is None:
        message = "no Chromium is installed: `make browser` gets Debian's"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    with chromium() as opened:
        yield opened


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new window with an empty store; what it complains of fails the test."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        opened = context.new_page()
        log = PageLog(opened)
        yield opened
        assert log.complaints == []
