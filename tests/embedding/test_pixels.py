"""Pixels as libbloodcell prepares them against those of DALI's graph."""

import io
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pytest
import tomli_w
from helpers.drawn_runs import copy_of_model
from helpers.embedded import EmbeddedModel, Library
from helpers.tiny_model import write_tiny_model
from PIL import Image

from bloodcell.engine.decode import Decoder
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.engine.staining import is_stained, looks_of
from bloodcell.model import load_model
from bloodcell.smears import fit_smears, smears_from_card
from bloodcell.toml import read_toml

SIZES = [(16, 16), (23, 411), (112, 112), (160, 160), (229, 229), (363, 360), (250, 640)]


def images_of(sizes: list[tuple[int, int]], seed: int) -> list[np.ndarray]:
    """Noise, of which every rounding shows."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes]


def decoded(images: list[np.ndarray], preprocessing: Preprocessing) -> tuple[np.ndarray, ...]:
    """What DALI's graph makes of them: pixels and samples."""
    files = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "BMP")
        files.append(np.frombuffer(file.getvalue(), np.uint8))
    decoder = Decoder(preprocessing, batch_size=len(files), threads=1)
    pixels, samples, all_decoded = decoder.decode(files)
    assert all_decoded.all()
    return pixels, samples


def sampled(images: list[np.ndarray], preprocessing: Preprocessing) -> tuple[np.ndarray, ...]:
    """Samples of DALI's graph, and which have the light and colours of a stained smear."""
    _, samples = decoded(images, preprocessing)
    return samples, is_stained(samples)


def levels(pixels: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Of 255, before they were normalised."""
    mean, std = (np.array(of)[:, None, None] for of in (preprocessing.mean, preprocessing.std))
    return np.rint((pixels * std + mean) * 255)


def test_no_pixel_is_more_than_a_level_from_dalis(model: EmbeddedModel) -> None:
    any_sizes = np.random.default_rng(1).integers(16, 900, (40, 2)).tolist()
    images, preprocessing = images_of(SIZES + any_sizes, 1), load_model().preprocessing
    by_dali, _ = decoded(images, preprocessing)
    own = np.stack([model.network_input(image) for image in images])
    difference = np.abs(levels(own, preprocessing) - levels(by_dali, preprocessing))
    click.echo(
        f"of {difference.size} values {np.count_nonzero(difference)} of another level, "
        f"at most {difference.max():.0f} apart"
    )
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


def test_what_the_network_learnt_from_is_told_alike(
    library: Library, smears: Path, tmp_path: Path
) -> None:
    paths = sorted(path for path in smears.glob("phantom-*/*") if path.is_file())
    images = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    default = load_model()
    samples, is_lit = sampled(images, default.preprocessing)
    looks = looks_of(samples)
    folder = copy_of_model(tmp_path)
    card = read_toml(folder / "card.toml", ValueError)
    patients = np.array([f"p{number % 10}" for number in range(len(images))])
    table = fit_smears(looks, patients, made_by="a test")
    assert table
    distances = smears_from_card(table).distances(looks)
    table["limit"] = float(np.median(distances[is_lit]))
    (folder / "card.toml").write_text(tomli_w.dumps(card | {"smears": table}), "utf-8")
    cells, _ = library.open(folder).score(images)
    # Samples may be a level apart.
    is_clear = np.abs(distances / table["limit"] - 1) > 0.01
    expected = is_lit & (distances <= table["limit"])
    assert 20 < (expected & is_clear).sum() < 50
    stained = np.array([cell.stained for cell in cells], np.bool_)
    assert (stained == expected)[is_clear].all()


def test_light_and_colours_are_judged_alike(library: Library, drawn_model: Path) -> None:
    rng, images = np.random.default_rng(4), []
    for _ in range(60):
        nucleus, plasma = rng.integers(40, 200, 3), rng.integers(120, 256, 3)
        is_nucleus = rng.random((60, 60, 1)) < rng.random()
        images.append(np.where(is_nucleus, nucleus, plasma).astype(np.uint8))
    _, stained = sampled(images, load_model().preprocessing)
    cells, _ = library.open(drawn_model).score(images)
    assert 5 < stained.sum() < 55
    assert [cell.stained for cell in cells] == stained.astype(int).tolist()
