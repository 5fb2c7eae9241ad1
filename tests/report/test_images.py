"""The images of a page: the bytes that were scored, or as they were scored, and kept."""

import base64
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from helpers import tar_shards
from helpers.report_pages import page_path
from PIL import Image

import bloodcell
from bloodcell.report import write_report
from bloodcell.report.images import LARGEST_SIDE_PX, ImagePack


def images_in(path: Path) -> dict[int, tuple[str, bytes]]:
    """Kind and bytes by row, of a file of images."""
    text = path.read_text()
    uris = json.loads(text[text.index("{") : text.rindex("}") + 1])
    parts = {
        int(row): uri.removeprefix("data:image/").split(";base64,") for row, uri in uris.items()
    }
    return {row: (kind, base64.b64decode(data)) for row, (kind, data) in parts.items()}


def pack(folder: Path, *files: bytes) -> dict[int, tuple[str, bytes]]:
    for i, content in enumerate(files):
        (folder / str(i)).write_bytes(content)
    table = pa.table({"row": range(len(files)), "path": [str(i) for i in range(len(files))]})
    ImagePack(folder / "images.js", "a run").write(folder, table)
    return images_in(folder / "images.js")


def encoded(array: np.ndarray, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


RNG = np.random.default_rng(1)
SMOOTH = np.kron(RNG.integers(0, 255, (8, 8, 3), np.uint8), np.ones((8, 8, 1), np.uint8))


def pixels(image: tuple[str, bytes]) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(image[1])).convert("RGB"), int)


def test_jpeg_and_png_are_the_very_bytes(tmp_path: Path) -> None:
    files = [encoded(SMOOTH, "JPEG"), encoded(SMOOTH, "PNG")]
    images = pack(tmp_path, *files)
    assert images == {0: ("jpeg", files[0]), 1: ("png", files[1])}


def test_tiff_and_bmp_become_jpeg_of_the_same_pixels(tmp_path: Path) -> None:
    deep = (SMOOTH[:, :, 0].astype(np.uint16) << 8) | 0xFF
    deep[0, 0] = 0xFFFF
    images = pack(tmp_path, encoded(SMOOTH, "TIFF"), encoded(SMOOTH, "BMP"), encoded(deep, "TIFF"))
    for row, expected in enumerate((SMOOTH, SMOOTH, np.repeat(deep[:, :, None] >> 8, 3, axis=2))):
        assert images[row][0] == "jpeg"
        assert np.abs(pixels(images[row]) - expected).mean() < 3


def test_what_is_large_is_shrunk(tmp_path: Path) -> None:
    large = np.zeros((600, 1200, 3), np.uint8)
    images = pack(tmp_path, encoded(large, "JPEG"))
    assert pixels(images[0]).shape == (LARGEST_SIDE_PX // 2, LARGEST_SIDE_PX, 3)


def test_what_cannot_be_read_now_is_left_out_and_tried_again(tmp_path: Path) -> None:
    good = encoded(SMOOTH, "JPEG")
    assert pack(tmp_path, good, b"") == {0: ("jpeg", good)}
    assert pack(tmp_path, good, good).keys() == {0, 1}


def test_images_stay_as_they_were_scored_when_the_source_has_gone(
    smears: Path, tmp_path: Path
) -> None:
    source = shutil.copytree(smears / "phantom-000", tmp_path / "in" / "p").parent
    run = bloodcell.score(source, tmp_path / "run")
    script = run.folder / "report" / "images" / "00001.js"
    before = script.read_bytes()
    shutil.rmtree(source)
    page_path(run, "p").unlink()
    write_report(run)
    assert script.read_bytes() == before
    assert len(images_in(script)) == 24
    assert page_path(run, "p").is_file()


def test_images_of_shards_are_shown_too(smears: Path, tmp_path: Path) -> None:
    files = sorted((smears / "phantom-000").glob("*.jpg"))
    tar_shards.pack(tmp_path / "in.tar", {f"p/{path.name}": path.read_bytes() for path in files})
    run = bloodcell.score(tmp_path / "in.tar", tmp_path / "run")
    shown = [data for _, data in images_in(run.folder / "report" / "images" / "00001.js").values()]
    assert shown == [path.read_bytes() for path in files]


@pytest.mark.parametrize("name", ["phantom-000", "phantom-002"])
def test_a_page_has_an_image_of_each_of_its_cells(run: bloodcell.Run, name: str) -> None:
    script = run.folder / "report" / "images" / page_path(run, name).with_suffix(".js").name
    cells = run.cells(["row", "patient"]).to_pylist()
    assert images_in(script).keys() == {c["row"] for c in cells if c["patient"] == name}
