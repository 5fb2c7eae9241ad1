"""What lies beside cells but is none, and what may be cells but is not scored."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.tar_shards import pack
from hypothesis import given
from hypothesis import strategies as st

from bloodcell.errors import InputError
from bloodcell.input.listing import may_all_be_cells, why_no_cell
from bloodcell.input.manifest import freeze_manifest

NO_CELLS = [
    "@eaDir/1.jpg/SYNOPHOTO_THUMB_XL.jpg", "#recycle/1.jpg", "1.jpg@SynoEAStream",
    ".@__thumb/default1.jpg", "@Recycle/1.jpg", "@Recently-Snapshot/1.jpg",
    "__MACOSX/._1.jpg", "._1.jpg", ".DS_Store", ".Spotlight-V100/1.jpg", ".Trashes/1.jpg",
    ".fseventsd/1.jpg", "Icon\r", "1.jpg:AFP_Resource", "Network Trash Folder/1.jpg",
    "Thumbs.db", "THUMBS.DB", "desktop.ini", "$RECYCLE.BIN/1.jpg",
    "System Volume Information/1.jpg",
    "1.jpg:Zone.Identifier", "1.jpg:Zone.Identifier:$DATA", "1.jpg\uf03aZone.Identifier",
    "~$1.jpg", "FOUND.000/1.jpg",
    ".ipynb_checkpoints/1-checkpoint.jpg", ".snapshot/hourly.0/1.jpg", ".zfs/snapshot/a/1.jpg",
    "~snapshot/1.jpg", "#snapshot/1.jpg", "@GMT-2026.11.25-01.00.00/1.jpg",
    ".Trash-1000/files/1.jpg", "lost+found/1.jpg", ".cache/deep/1.jpg", ".1.jpg.Xy12",
]  # fmt: skip
CELLS = ["1.jpg", "@patient.jpg", "#12.jpg", "$5.jpg", "thumbs.jpg", "found.jpg", "slide1/x@2.tif"]


def write(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def frozen(source: Path, tmp_path: Path) -> tuple[pa.Table, dict[str, int]]:
    left_out = freeze_manifest(source, tmp_path / "frozen.parquet", 100)
    return pq.read_table(tmp_path / "frozen.parquet"), left_out


def below_patient(name: str) -> Iterator[str]:
    """In a patient's folder, in a slide's below it, and beside the patients."""
    yield from (f"P1/{name}", f"P1/slide1/{name}", name)


@pytest.mark.parametrize("name", NO_CELLS)
def test_what_others_leave_behind_is_left_out_at_any_depth_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    root = write(tmp_path / "in", "P1/1.jpg", *below_patient(name))
    table, left_out = frozen(root, tmp_path)
    assert table["path"].to_pylist() == ["P1/1.jpg"]
    assert list(left_out.values()) == [3]
    assert f"3 files of {root} are no cells and left out: 3 {next(iter(left_out))}" in caplog.text


@pytest.mark.parametrize("name", NO_CELLS)
def test_shards_leave_out_what_folders_do(tmp_path: Path, name: str) -> None:
    members = ["P1/1.jpg", *below_patient(name)]
    table, left_out = frozen(pack(tmp_path / "a.tar", dict.fromkeys(members, b"x")), tmp_path)
    assert table["path"].to_pylist() == ["a.tar/P1/1.jpg"]
    assert left_out == frozen(write(tmp_path / "in", *members), tmp_path)[1]


def test_names_that_only_look_alike_are_cells(tmp_path: Path) -> None:
    root = write(tmp_path / "in", *(f"@P1/{name}" for name in CELLS))
    assert frozen(root, tmp_path)[0]["path"].to_pylist() == sorted(f"@P1/{name}" for name in CELLS)


def test_one_patient_beside_a_thumbnail_folder_is_one_patient(tmp_path: Path) -> None:
    root = write(tmp_path / "P7", "1.jpg", "@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg")
    assert frozen(root, tmp_path)[0].select(["path", "patient"]).to_pylist() == [
        {"path": "1.jpg", "patient": "P7"}
    ]


def test_a_file_of_windows_that_appears_later_makes_no_other_manifest(tmp_path: Path) -> None:
    root = write(tmp_path / "in", "P1/1.jpg")
    frozen(root, tmp_path)
    before = (tmp_path / "frozen.parquet").read_bytes()
    frozen(write(root, "P1/Thumbs.db", "desktop.ini", "P1/@eaDir/1.jpg/x.jpg"), tmp_path)
    assert (tmp_path / "frozen.parquet").read_bytes() == before


def test_such_a_folder_that_cannot_be_read_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(tmp_path / "in", "P1/1.jpg", "lost+found/#1", "P1/.snapshot/1.jpg")
    scandir = os.scandir

    def refusing(folder: str) -> Any:
        if str(folder).endswith(("lost+found", ".snapshot")):
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    table, left_out = frozen(root, tmp_path)
    assert table["path"].to_pylist() == ["P1/1.jpg"]
    assert left_out == {}
    assert "files in 2 such folders could not all be counted" in caplog.text


def test_a_vast_snapshot_is_not_counted_to_its_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bloodcell.input.listing._MOST_COUNTED", 3)
    hours = (f"P1/.snapshot/hourly.{hour}/{cell}.jpg" for hour in range(9) for cell in range(2))
    _, left_out = frozen(write(tmp_path / "in", "P1/1.jpg", *hours), tmp_path)
    assert 0 <= left_out.get("snapshot", 0) < 18
    assert "could not all be counted" in caplog.text


@pytest.mark.parametrize(
    "name", ["night.zip", "P2.tar.gz", "P3.7z", "1.webp", "2.JFIF", "3.heic", "a.svs", "b.czi"]
)
def test_what_may_hold_cells_beside_patients_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    if name.endswith("tar.gz"):
        with pytest.raises(InputError, match=r"P2\.tar\.gz"):
            frozen(write(tmp_path / "in", "P1/1.jpg", name), tmp_path)
        return
    table, _ = frozen(write(tmp_path / "in", "P1/1.jpg", name), tmp_path)
    assert table.num_rows == 1
    assert f"not scored, beside what is ({name})" in caplog.text


def test_what_may_hold_cells_beside_shards_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    night = write(pack(tmp_path / "night" / "a.tar", {"P1/1.jpg": b"x"}).parent, "b.zip", "x.webp")
    frozen(night, tmp_path)
    assert "holds 2 archives or images that are not scored, beside what is (b.zip" in caplog.text


def test_links_beside_patients_that_lead_nowhere_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = write(tmp_path / "in", "P1/1.jpg")
    (root / "P2").symlink_to("/gone/P2")
    (root / "P3").symlink_to("P3")
    assert frozen(root, tmp_path)[0].num_rows == 1
    assert "holds 2 links that lead nowhere: " in caplog.text


def test_a_loop_of_links_is_refused_or_one_rejected_row(tmp_path: Path) -> None:
    root = write(tmp_path / "in", "P1/1.jpg")
    (root / "P1" / "a").symlink_to("b")
    (root / "P1" / "b").symlink_to("a")
    assert frozen(root, tmp_path)[0]["path"].to_pylist() == ["P1/1.jpg", "P1/a", "P1/b"]
    (root / "P1" / "up").symlink_to("..")
    with pytest.raises(InputError, match="would count twice"):
        frozen(root, tmp_path)


ODD = [
    ".",
    "~",
    "#",
    "$",
    "@",
    ":",
    "x",
    "thumbs.db",
    "found.001",
    "zone.identifier",
    "icon\r",
    "__macosx",
    "@gmt-1",
]


@given(st.lists(st.one_of(st.sampled_from(ODD), st.text("aT.@:~$#", min_size=1)), min_size=1))
def test_many_names_are_judged_as_each_is(names: list[str]) -> None:
    if may_all_be_cells(names):
        assert not any(map(why_no_cell, names))


def test_a_folder_of_plain_names_needs_one_look() -> None:
    assert may_all_be_cells(["cell_1.jpg", "P1", "Müller", "trash.tif", "12#.jpg"])
    parts = itertools.chain.from_iterable(name.split("/") for name in NO_CELLS)
    assert [name for name in parts if why_no_cell(name) and may_all_be_cells(["a", name])] == []
