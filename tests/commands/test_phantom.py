"""Drawn cells: reproducible, laid out as promised, and readable in every variant."""

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from bloodcell.engine.decode import Decoder
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.errors import InputError
from bloodcell.phantom import CLASSES, VARIANTS, draw_cell, encode, write_phantoms
from bloodcell.phantom.plan import BLAST, Plan, draw_size

SIZE = (360, 363)
FORMATS = {"jpeg": "JPEG", "tiff": "TIFF", "png": "PNG", "bmp": "BMP"}
MODES = {"jpeg_gray": "L", "jpeg_cmyk": "CMYK", "tiff_rgba": "RGBA"}


def draw(cell_class: str = BLAST, seed: int = 1, size: tuple[int, int] = SIZE) -> np.ndarray:
    return draw_cell(cell_class, np.random.default_rng(seed), size)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def expected_pixels(pixels: np.ndarray, variant: str) -> np.ndarray:
    if variant == "jpeg_gray":
        return np.array(Image.fromarray(pixels).convert("L").convert("RGB"))
    return pixels


def difference(decoded: np.ndarray, pixels: np.ndarray) -> float:
    return float(np.abs(decoded.astype(np.float64) - pixels).mean())


def dark_area(pixels: np.ndarray) -> int:
    """Pixels stained as dark as a nucleus: red lets least through of it and of nothing else."""
    return int((pixels[..., 0] < 135).sum())


# Drawing


@pytest.mark.parametrize("cell_class", CLASSES)
def test_drawing_is_a_function_of_the_seed(cell_class: str) -> None:
    first = draw(cell_class)
    assert first.shape == (363, 360, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, draw(cell_class))
    assert not np.array_equal(first, draw(cell_class, seed=2))


@pytest.mark.parametrize("size", [(240, 240), (416, 363), (416, 416)])
def test_every_class_fits_every_size(size: tuple[int, int]) -> None:
    for cell_class in CLASSES:
        assert draw(cell_class, size=size).shape == (size[1], size[0], 3)


def test_nuclei_differ_in_size_by_class() -> None:
    area = {
        name: np.mean([dark_area(draw(name, seed)) for seed in range(8)])
        for name in ("erythroblast", "lymphocyte", BLAST)
    }
    assert area["erythroblast"] * 1.5 < area["lymphocyte"]
    assert area["lymphocyte"] * 1.5 < area[BLAST]


def test_granules_are_red_in_eosinophils_and_dark_in_basophils() -> None:
    def redness(name: str) -> float:
        centre = np.stack([draw(name, seed)[150:210, 150:210] for seed in range(8)])
        return float((centre[..., 0].astype(int) - centre[..., 2]).mean())

    assert redness("eosinophils") > 10
    assert redness("basophil") < -10


def test_unknown_class_and_impossible_size_are_refused() -> None:
    with pytest.raises(InputError, match="No drawing for class 'neutrophil'; known: band_"):
        draw("neutrophil")
    with pytest.raises(InputError, match="Cannot draw 417 x 363 pixels; sides go from 240 to 416"):
        draw(size=(417, 363))


# Encoding


@pytest.mark.parametrize("variant", VARIANTS)
def test_pillow_reads_every_variant(variant: str) -> None:
    pixels = draw(size=(392, 363))
    image = Image.open(io.BytesIO(encode(pixels, variant)))
    assert image.format == FORMATS[variant.partition("_")[0]]
    assert image.mode == MODES.get(variant, "RGB")
    assert image.size == ((363, 392) if variant == "jpeg_rotated" else (392, 363))
    upright = np.array(ImageOps.exif_transpose(image).convert("RGB"))
    limit = 4.0 if variant.startswith("jpeg") else 0.0
    assert difference(upright, expected_pixels(pixels, variant)) <= limit


@pytest.mark.parametrize("variant", VARIANTS)
def test_dali_reads_every_variant(variant: str) -> None:
    whole = Preprocessing(
        input_px=360, region=1.0, interpolation="linear", antialias=False,
        mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0),
    )  # fmt: skip
    pixels = draw(size=(360, 360))
    encoded = np.frombuffer(encode(pixels, variant), np.uint8)
    decoded, _, is_decoded = Decoder(whole, batch_size=1, threads=1).decode([encoded])
    assert is_decoded.all()
    upright = 255.0 * decoded[0].transpose(1, 2, 0)
    assert difference(upright, expected_pixels(pixels, variant)) < 4.0


def test_jpeg_flavours_are_what_they_are_called() -> None:
    def frame(variant: str) -> tuple[tuple[int, int], bool]:
        image = Image.open(io.BytesIO(encode(draw(), variant)))
        return image.layer[0][1:3], "progressive" in image.info

    assert frame("jpeg") == ((1, 1), False)
    assert frame("jpeg_420") == ((2, 2), False)
    assert frame("jpeg_progressive") == ((1, 1), True)


def test_tiff_is_laid_out_as_by_the_scanner() -> None:
    pixels = draw(size=(400, 400))
    encoded = encode(pixels, "tiff_rgba")
    assert len(encoded) == 640_154
    assert encoded[154:] == np.dstack([pixels, np.full((400, 400), 255, np.uint8)]).tobytes()
    tags = Image.open(io.BytesIO(encoded)).tag_v2
    assert (tags[259], tags[278], tags[284], tags[338]) == (1, 400, 1, (2,))


def test_jpeg_sizes_are_realistic() -> None:
    sizes = [len(encode(draw(name, seed), "jpeg")) for seed, name in enumerate(CLASSES)]
    assert 12_000 < np.mean(sizes) < 21_000


def test_encode_refuses_what_it_cannot_write() -> None:
    with pytest.raises(InputError, match="Unknown image variant 'webp'; known: jpeg, jpeg_420"):
        encode(draw(), "webp")
    with pytest.raises(InputError, match=re.escape("not float64 (2, 2, 3)")):
        encode(np.zeros((2, 2, 3)), "png")


# Folders


def test_layout_labels_and_readme(tmp_path: Path) -> None:
    out = tmp_path / "smears"
    told = []
    summary = write_phantoms(out, patients=2, cells=3, progress=told.append)
    images = [f"phantom-00{patient}/cell_0000{cell}.jpg" for patient in (0, 1) for cell in range(3)]
    assert sorted(files_of(out)) == sorted(["README.txt", "labels.csv", *images])
    with (out / "labels.csv").open(newline="") as labels:
        rows = list(csv.DictReader(labels))
    assert list(rows[0]) == ["path", "patient", "class"]
    assert [row["path"] for row in rows] == images
    assert [row["patient"] for row in rows] == ["phantom-000"] * 3 + ["phantom-001"] * 3
    assert {row["class"] for row in rows} <= set(CLASSES)
    readme = (out / "README.txt").read_text()
    assert "drawn by a program" in readme
    assert "no real cells" in readme
    assert told == [3, 3]
    assert (summary.patients, summary.cells, summary.drawn) == (2, 6, 6)
    assert sum(summary.classes.values()) == 6
    assert summary.image_bytes == sum(
        len(content) for name, content in files_of(out).items() if name.endswith(".jpg")
    )


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("first", 5), ("again", 5), ("other", 6)):
        write_phantoms(tmp_path / name, patients=2, cells=10, image_format="mixed", seed=seed)
    first, again, other = (files_of(tmp_path / name) for name in ("first", "again", "other"))
    assert first == again
    images = [name for name in first if name.startswith("phantom")]
    assert len(images) == 20
    assert all(first[name] != other[name] for name in images)


def test_a_cell_depends_on_its_place_alone(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "many", patients=3, cells=4)
    write_phantoms(tmp_path / "few", patients=2, cells=2)
    many, few = files_of(tmp_path / "many"), files_of(tmp_path / "few")
    assert {name: many[name] for name in few if name.endswith(".jpg")} == {
        name: content for name, content in few.items() if name.endswith(".jpg")
    }
    last = Plan(patients=3, cells=4).patient(2).cell(3)
    assert last.encoded() == many["phantom-002/cell_00003.jpg"]


def test_mixed_holds_every_variant_in_each_patient(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "mixed", patients=2, cells=len(VARIANTS), image_format="mixed")
    for patient in ("phantom-000", "phantom-001"):
        kinds = []
        for path in sorted((tmp_path / "mixed" / patient).iterdir()):
            with Image.open(path) as image:
                kinds.append((image.format, image.mode))
                if image.format == "TIFF":
                    assert image.size == (400, 400)
        assert len(kinds) == len(VARIANTS)
        assert set(kinds) == {
            (FORMATS[variant.partition("_")[0]], MODES.get(variant, "RGB")) for variant in VARIANTS
        }


def test_sizes_are_mixed() -> None:
    sizes = [draw_size(np.random.default_rng(seed), "jpeg") for seed in range(200)]
    assert 100 < sizes.count((360, 363)) < 180
    assert len(set(sizes)) > 10
    assert max(width for width, _ in sizes) <= 416


def test_blast_shares_differ_by_patient() -> None:
    plan = Plan(patients=10, cells=1)
    shares = [plan.blast_share_of(patient) for patient in range(10)]
    assert sorted(shares[:5]) == sorted(shares[5:]) == [0.0, 0.05, 0.12, 0.3, 0.6]
    none = plan.patient(shares.index(0.0))
    assert BLAST not in {none.cell(index).cell_class for index in range(200)}
    most = plan.patient(shares.index(0.6))
    count = sum(most.cell(index).cell_class == BLAST for index in range(400))
    assert 200 < count < 280


def test_blast_shares_can_be_given(tmp_path: Path) -> None:
    summary = write_phantoms(tmp_path / "all", patients=2, cells=2, blast_share=1.0)
    assert summary.classes == {BLAST: 4}
    plan = Plan(patients=3, cells=1, blast_share=[0.0, 0.2])
    assert [plan.blast_share_of(patient) for patient in range(3)] == [0.0, 0.2, 0.0]


@pytest.mark.parametrize("link", [False, True])
def test_few_distinct_drawings_fill_a_large_folder(tmp_path: Path, link: bool) -> None:
    summary = write_phantoms(tmp_path / "load", patients=2, cells=60, distinct=36, link=link)
    images = sorted((tmp_path / "load").rglob("*.jpg"))
    assert len(images) == summary.cells == 120
    assert len({path.read_bytes() for path in images}) == summary.drawn <= 36
    inodes = {path.stat().st_ino for path in images}
    assert len(inodes) == (summary.drawn if link else 120)
    readme = (tmp_path / "load" / "README.txt").read_text()
    assert "no more than 36 images were drawn" in readme
    assert ("hard links" in readme) == link


def test_of_each_format_there_are_fewer_drawings(tmp_path: Path) -> None:
    options = {"patients": 4, "cells": 200, "image_format": "mixed"}
    summary = write_phantoms(tmp_path / "load", **options, distinct=250)
    assert summary.drawn <= 250
    assert len({path.suffix for path in (tmp_path / "load").glob("*/*")}) >= 4


def test_folder_in_use_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=f"{re.escape(str(tmp_path))} is not empty; name a new"):
        write_phantoms(tmp_path, patients=1, cells=1)
    with pytest.raises(InputError, match=r"notes\.txt is a file; name a folder"):
        write_phantoms(tmp_path / "notes.txt", patients=1, cells=1)
    assert files_of(tmp_path) == {"notes.txt": b"mine"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patients": 0}, "patients must be at least 1, not 0"),
        ({"cells": -1}, "cells must be at least 1, not -1"),
        ({"seed": -1}, "seed must be at least 0, not -1"),
        ({"distinct": 0}, "distinct must be at least 1, not 0"),
        ({"image_format": "webp"}, "Unknown image format 'webp'; known: jpeg, tiff, png, bmp, mix"),
        ({"blast_share": 1.5}, r"blast_share must be from 0 to 1, not 1\.5"),
        ({"blast_share": []}, r"blast_share must be from 0 to 1, not \[\]"),
    ],
)
def test_options_out_of_range_are_refused_before_anything_is_written(
    tmp_path: Path, options: dict[str, object], message: str
) -> None:
    out = tmp_path / "none"
    with pytest.raises(InputError, match=message):
        write_phantoms(out, **{"patients": 1, "cells": 1, **options})
    assert not out.exists()
