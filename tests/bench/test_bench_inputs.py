"""Inputs of measurements: as many cells as asked, the images those of the source, or drawn."""

from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from PIL import Image

from bloodcell.bench.inputs import Drawn, repeated_input
from bloodcell.errors import InputError


def rows_of(manifest: Path) -> tuple[list[str], list[str]]:
    table = pq.read_table(manifest)
    return table["path"].to_pylist(), table["patient"].to_pylist()


def test_the_images_of_a_folder_are_repeated_in_turn(smears: Path, tmp_path: Path) -> None:
    originals = sorted(smears.glob("*/*.*"))
    manifest = repeated_input(smears, 2 * len(originals), tmp_path / "in")
    paths, _ = rows_of(manifest)
    assert len(set(paths)) == 2 * len(originals)
    for path, original in zip(paths, originals * 2, strict=True):
        assert (manifest.parent / path).samefile(original)


def test_a_manifests_images_are_taken_from_where_it_says(smears: Path, tmp_path: Path) -> None:
    cell = next((smears / "phantom-001").iterdir())
    (tmp_path / "link").symlink_to(cell)
    (tmp_path / "m.csv").write_text("path,patient\nlink,p\n")
    manifest = repeated_input(tmp_path / "m.csv", 3, tmp_path / "in")
    copies = [manifest.parent / path for path in rows_of(manifest)[0]]
    assert [copy.read_bytes() for copy in copies] == [cell.read_bytes()] * 3
    assert {copy.suffix for copy in copies} == {cell.suffix}


def test_patients_have_equal_shares(tmp_path: Path) -> None:
    manifest = repeated_input(None, 1001, tmp_path / "in", patients=4, drawn=Drawn(distinct=2))
    counts = pc.value_counts(pq.read_table(manifest)["patient"]).field("counts").to_pylist()
    assert sorted(counts) == [250, 250, 250, 251]


@pytest.mark.parametrize(("image_format", "kind"), [("jpeg", "JPEG"), ("tiff", "TIFF")])
def test_phantoms_have_the_format_and_size_asked_for(
    tmp_path: Path, image_format: str, kind: str
) -> None:
    drawn = Drawn(image_format, side_px=96, distinct=3)
    manifest = repeated_input(None, 4, tmp_path / "in", drawn=drawn)
    files = [manifest.parent / path for path in rows_of(manifest)[0]]
    for file in files:
        with Image.open(file) as image:
            assert (image.format, image.size) == (kind, (96, 96))
    assert np.unique([file.stat().st_ino for file in files]).size == 3


def test_where_no_hard_link_can_be_made_there_is_a_symbolic_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", refuse)
    manifest = repeated_input(None, 2, tmp_path / "in", drawn=Drawn(distinct=1))
    files = [manifest.parent / path for path in rows_of(manifest)[0]]
    assert all(file.is_symlink() and file.is_file() for file in files)


def test_no_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        repeated_input(tmp_path / "absent", 2, tmp_path / "in")
