"""The packages and extras of ``pyproject.toml`` in the pages: each is told, none is invented."""

import re
from itertools import chain
from pathlib import Path

import pytest
from helpers.pages import ROOT

from bloodcell.errors import BloodcellError
from bloodcell.toml import read_toml

PROJECT = read_toml(ROOT / "pyproject.toml", BloodcellError)["project"]
EXTRAS = PROJECT["optional-dependencies"]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_every_package_is_in_the_readmes_table() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \|", readme[readme.index("| library |") :], re.MULTILINE)
    told = {word.lower() for row in rows for word in re.findall(r"[\w.-]+", row)}
    for requirement in chain(PROJECT["dependencies"], *EXTRAS.values()):
        name = re.split(r"[^\w.-]", requirement)[0]
        # A build's name is left out: nvidia-dali-cuda130, tensorrt-rtx-cu13-libs.
        assert re.sub(r"-cu(da)?\d.*", "", name) in told, name


def test_every_extra_is_told_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    told = readme[readme.index("adds an extra") : readme.index("## Your own images")]
    assert set(EXTRAS) - {"test"} <= set(re.findall(r"`(\w+)`", told))


@pytest.mark.parametrize("path", PAGES, ids=[path.name for path in PAGES])
def test_every_extra_is_one_of_the_package(path: Path) -> None:
    named = re.findall(r"(?:bloodcell|'\.)\[([\w,]+)\]", path.read_text(encoding="utf-8"))
    assert {extra for names in named for extra in names.split(",")} <= set(EXTRAS)
