"""The page about image formats names what is there, and the formats that there are."""

import re
from pathlib import Path

import pytest
from helpers.pages import ROOT, page, quoted, table

from bloodcell import _core

PAGE = "adding-an-image-format.md"
PLACES = [(quoted(file)[0], quoted(names)) for file, names, _ in table(PAGE)]
FORMATS = ["jpeg", "tiff", "png", "bmp"]


@pytest.mark.parametrize(("file", "names"), PLACES, ids=[file for file, _ in PLACES])
def test_every_file_holds_the_names_that_the_page_gives_it(file: str, names: list[str]) -> None:
    source = (ROOT / file).read_text(encoding="utf-8")
    for name in names:
        assert re.search(rf"(?<!\w){re.escape(name)}(?!\w)", source), name


def test_the_page_names_every_file_that_knows_the_format() -> None:
    folders = ["csrc/images", "csrc/bindings", "bloodcell", "engine"]
    files = [
        path.relative_to(ROOT).as_posix()
        for folder in folders
        for path in (ROOT / folder).rglob("*.[chp]*")
        if path.suffix in (".cpp", ".hpp", ".py", ".pyi")
        and re.search(r"(?<![a-z])_?bmp(?![a-z])", path.read_text(encoding="utf-8"))
    ]
    untold = set(files) - {file for file, _ in PLACES}
    assert untold <= {"bloodcell/phantom/smears.py"}, "its docstring lists them"


def test_every_other_file_and_name_in_the_text_exists() -> None:
    text = page(PAGE)
    for file in re.findall(r"`([\w./-]+\.(?:py|md|cpp|hpp))`", text):
        assert (ROOT / file).is_file() or list(ROOT.glob(f"csrc/**/{file}")), file
    decode = (ROOT / "engine/decode.py").read_text(encoding="utf-8")
    device_decode = (ROOT / "engine/device_decode.py").read_text(encoding="utf-8")
    assert "def build_graph" in decode
    assert "_JPEG_FIRST_BYTE = " in device_decode


def test_the_formats_are_those_of_the_core(smears: Path) -> None:
    header = (ROOT / "csrc/images/include/bloodcell/gate.hpp").read_text(encoding="utf-8")
    (names,) = re.findall(r"format_names\[\] = \{(.*?)\}", header, re.DOTALL)
    assert re.findall(r'"(\w+)"', names) == ["unknown", *FORMATS]
    (sentence,) = re.findall(r"The formats are (.*?)\. ", page(PAGE))
    assert quoted(sentence) == FORMATS
    drawn = {_core.inspect(path.read_bytes()).format for path in smears.glob("*/*")}
    assert drawn == set(FORMATS)
