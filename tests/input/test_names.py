"""Names on the disk that are not those of the table, or no text at all."""

import os
import unicodedata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.tar_shards import pack
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bloodcell._core import REASONS
from bloodcell.engine.names import bytes_of, text_of
from bloodcell.engine.source import read_files
from bloodcell.errors import InputError
from bloodcell.input.manifest import freeze_manifest, root_of
from bloodcell.labels import read_labels

COMPOSED, DECOMPOSED = "M\u00fcller", "Mu\u0308ller"


def image(root: Path, name: bytes) -> Path:
    path = root / os.fsdecode(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 20, 3), 99, np.uint8)).save(path, "PNG")
    return root


def reasons(source: Path, tmp_path: Path) -> dict[str, str]:
    """Why each path of ``source`` would be rejected; "" if its bytes could be read."""
    frozen = tmp_path / "frozen.parquet"
    freeze_manifest(source, frozen, 100)
    table = pq.read_table(frozen)
    (batch,) = read_files(root_of(source), [table])
    return {
        path: REASONS[reason] if reason else ""
        for path, reason in zip(table["path"].to_pylist(), batch.reasons, strict=True)
    }


def manifest(folder: Path, *paths: str) -> Path:
    (folder / "m.csv").write_text("path,patient\n" + "".join(f"{path},p\n" for path in paths))
    return folder / "m.csv"


# --- a name as text and back


@given(st.binary(min_size=1))
def test_every_name_has_a_text_of_its_own(name: bytes) -> None:
    text = text_of(name)
    assert bytes_of(text) == name
    assert pa.array([text]).to_pylist() == [text]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\\"), min_size=1))
def test_a_name_in_utf8_is_its_own_text(name: str) -> None:
    assert text_of(name.encode()) == name


def test_a_backslash_is_escaped_only_where_it_would_be_taken_for_an_escape() -> None:
    assert text_of(b"P1\\x01.jpg") == r"P1\x01.jpg"
    assert text_of(b"P1\\xe9.jpg") == r"P1\x5cxe9.jpg"
    assert text_of(b"P1\xe9.jpg") == r"P1\xe9.jpg"


# --- found on the disk


@pytest.mark.parametrize(
    "name", [b"M\xfcller/1.png", b"\xff\xfe/1.png", b"M\xfcller/a\\xfc.png", b"P\\xfc/\xfc\\1.png"]
)
def test_files_of_any_name_below_a_folder_are_read(tmp_path: Path, name: bytes) -> None:
    root = image(tmp_path / "in", name)
    assert reasons(root, tmp_path) == {text_of(name): ""}


@pytest.mark.parametrize(
    ("on_disk", "listed"),
    [
        (COMPOSED.encode() + b"/1.png", f"{DECOMPOSED}/1.png"),
        (DECOMPOSED.encode() + b"/1.png", f"{COMPOSED}/1.png"),
        ("P/각.png".encode(), unicodedata.normalize("NFD", "P/각.png")),
        (b"M\xfcller/1.png", r"M\xfcller/1.png"),
        (b"M\xfcller/1.png", "Müller/1.png"),
        (b"P1/slide/1.png", r"P1\slide\1.png"),
        (b"P1/x01.png", r"P1\x01.png"),
        (b"P1/xe9.png", r"P1\xe9.png"),
        (b"P1\\x01.png", r"P1\x01.png"),
        (b"P1\\xe9.png", r"P1\xe9.png"),
        (DECOMPOSED.encode() + b"/deep/" + DECOMPOSED.encode() + b".png",
         f"{COMPOSED}\\deep\\{COMPOSED}.png"),
        (b"P1/1.png", "./P1//1.png"),
        (b"P1/1.png", "P1/../P1/1.png"),
    ],
)  # fmt: skip
def test_what_a_manifest_spells_otherwise_is_read(
    tmp_path: Path, on_disk: bytes, listed: str
) -> None:
    image(image(tmp_path, on_disk), b"other/1.png")
    source = manifest(tmp_path, listed, "other/1.png", "other/absent.png", "P1/\u00e9.png")
    assert list(reasons(source, tmp_path).values()) == ["", "", "missing", "missing"]


def test_an_absolute_path_is_found_in_another_spelling_too(tmp_path: Path) -> None:
    image(tmp_path / "in", DECOMPOSED.encode() + b".png")
    source = manifest(tmp_path, f"{tmp_path}/in/{COMPOSED}.png")
    assert list(reasons(source, tmp_path).values()) == [""]


def test_the_exact_name_comes_before_another_spelling(tmp_path: Path) -> None:
    image(tmp_path, DECOMPOSED.encode() + b".png")
    (tmp_path / f"{COMPOSED}.png").write_bytes(b"")
    assert list(reasons(manifest(tmp_path, f"{COMPOSED}.png"), tmp_path).values()) == ["empty"]


def test_of_two_other_spellings_neither_is_guessed(tmp_path: Path) -> None:
    both, neither = ("\u00e9e\u0301", "e\u0301\u00e9"), "\u00e9\u00e9"
    for name in both:
        image(tmp_path, f"{name}.png".encode())
    with pytest.raises(InputError, match=r"could be .* or .*: list one of them letter by letter"):
        reasons(manifest(tmp_path, f"{neither}.png"), tmp_path)


def test_a_shard_whose_name_is_not_utf8_is_read(tmp_path: Path) -> None:
    image(tmp_path, b"1.png")
    night = pack(tmp_path / "in" / "n\udce9.tar", {"1.png": (tmp_path / "1.png").read_bytes()})
    assert reasons(night.parent, tmp_path) == {r"n\xe9.tar/1.png": ""}


# --- refused


def test_patients_whose_names_look_the_same_are_refused(tmp_path: Path) -> None:
    root = image(
        image(tmp_path / "in", f"{COMPOSED}/1.png".encode()), f"{DECOMPOSED}/2.png".encode()
    )
    with pytest.raises(InputError, match=f"the patient {COMPOSED} in two spellings"):
        reasons(root, tmp_path)


def test_patients_of_two_shards_whose_names_look_the_same_are_refused(tmp_path: Path) -> None:
    night = tmp_path / "night"
    pack(night / "a.tar", {f"{COMPOSED}/1.jpg": b"x"})
    pack(night / "b.tar", {f"{DECOMPOSED}/2.jpg": b"x"})
    with pytest.raises(InputError, match="in two spellings"):
        reasons(night, tmp_path)


def test_cells_whose_names_look_the_same_are_refused(tmp_path: Path) -> None:
    root = image(
        image(tmp_path / "in", f"P/{COMPOSED}.png".encode()), f"P/{DECOMPOSED}.png".encode()
    )
    with pytest.raises(InputError, match=f"holds P/{COMPOSED}.png in two spellings"):
        reasons(root, tmp_path)


def test_a_zip_of_windows_unpacked_into_one_folder_is_not_one_patient(tmp_path: Path) -> None:
    root = image(image(tmp_path / "in", b"P1\\1.png"), b"P2\\1.png")
    with pytest.raises(InputError, match="2 files with a backslash in their names"):
        reasons(root, tmp_path)


# --- labels


def test_labels_twice_in_two_spellings_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "labels.csv"
    source.write_text(f"path,class\n{COMPOSED}\\1.png,a\n{DECOMPOSED}/1.png,b\n")
    with pytest.raises(InputError, match="labels 1 paths more than once"):
        read_labels(source, ("path", "class"))
