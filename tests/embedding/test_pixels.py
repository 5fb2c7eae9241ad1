"""Pixels as libbloodcell prepares them against those of DALI's graph."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.embedded import EmbeddedModel, Library
from helpers.tiny_model import write_tiny_model
from PIL import Image

from bloodcell.engine.decode import Decoder
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.engine.staining import is_stained
from bloodcell.model import load_model
from bloodcell.toml import read_toml

SIZES = [(16, 16), (23, 411), (112, 112), (160, 160), (229, 229), (363, 360), (250, 640)]


def images_of(sizes: list[tuple[int, int]], seed: int) -> list[np.ndarray]:
    """Noise, of which every rounding shows."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes]


def decoded(images: list[np.ndarray], preprocessing: Preprocessing) -> tuple[np.ndarray, ...]:
    """What DALI's graph makes of them: pixels and whether stained."""
    files = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "BMP")
        files.append(np.frombuffer(file.getvalue(), np.uint8))
    decoder = Decoder(preprocessing, batch_size=len(files), threads=1)
    pixels, samples, all_decoded = decoder.decode(files)
    assert all_decoded.all()
    return pixels, is_stained(samples)


def levels(pixels: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Of 255, before they were normalised."""
    mean, std = (np.array(of)[:, None, None] for of in (preprocessing.mean, preprocessing.std))
    return np.rint((pixels * std + mean) * 255)


def test_no_pixel_is_more_than_a_level_from_dalis(model: EmbeddedModel) -> None:
    images, preprocessing = images_of(SIZES, 1), load_model().preprocessing
    by_dali, _ = decoded(images, preprocessing)
    own = np.stack([model.network_input(image) for image in images])
    difference = np.abs(levels(own, preprocessing) - levels(by_dali, preprocessing))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-4
    assert (own == by_dali)[difference == 0].all()  # normalised bit for bit alike


@pytest.mark.parametrize(("region", "antialias", "side"), [(1.0, True, 97), (0.5, False, 64)])
def test_regions_sides_and_no_antialiasing_too(
    library: Library, tmp_path: Path, region: float, antialias: bool, side: int
) -> None:
    folder = write_tiny_model(
        tmp_path / "m", "jhu18", input_px=side, region=region, antialias=antialias
    )
    preprocessing = replace(
        load_model().preprocessing, input_px=side, region=region, antialias=antialias
    )
    assert read_toml(folder / "card.toml", ValueError)["preprocessing"]["region"] == region
    images = images_of(SIZES, 2)
    by_dali, _ = decoded(images, preprocessing)
    own = np.stack([library.open(folder).network_input(image) for image in images])
    difference = np.abs(levels(own, preprocessing) - levels(by_dali, preprocessing))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-4


def test_rows_may_lie_apart(model: EmbeddedModel) -> None:
    image = images_of([(90, 70)], 3)[0]
    wide = np.full((90, 100, 3), 7, np.uint8)
    wide[:, :70] = image
    assert (model.network_input(wide[:, :70]) == model.network_input(image)).all()


def test_stain_is_judged_alike(model: EmbeddedModel) -> None:
    rng, images = np.random.default_rng(4), []
    for _ in range(60):
        nucleus, plasma = rng.integers(40, 200, 3), rng.integers(120, 256, 3)
        is_nucleus = rng.random((60, 60, 1)) < rng.random()
        images.append(np.where(is_nucleus, nucleus, plasma).astype(np.uint8))
    _, stained = decoded(images, load_model().preprocessing)
    cells, _ = model.score(images)
    assert 5 < stained.sum() < 55
    assert [cell.stained for cell in cells] == stained.astype(int).tolist()
