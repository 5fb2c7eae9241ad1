"""Which images may be of a stained smear, and that it is told alike wherever they are decoded."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bloodcell.engine.decode import Decoder
from bloodcell.engine.staining import LOOKS, SAMPLES_PER_SIDE, Smears, is_stained, looks_of
from bloodcell.model import load_model

Pixels = np.ndarray


def a_cell() -> Pixels:
    """A purple nucleus in pale plasma on a nearly white ground, uint8 (16, 16, 3)."""
    pixels = np.full((SAMPLES_PER_SIDE, SAMPLES_PER_SIDE, 3), (232, 220, 214), np.uint8)
    pixels[2:14, 2:14] = (205, 190, 215)
    pixels[4:11, 4:11] = (120, 60, 140)
    return pixels


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "negative": lambda cell: 255 - cell,
    "12 bits in 16": lambda cell: cell >> 4,
    "nearly white": lambda cell: 255 - (255 - cell) // 8,
    "one channel": lambda cell: np.repeat(cell[..., 1:2], 3, axis=-1),
    "red and blue swapped": lambda cell: cell[..., ::-1],
    "black": np.zeros_like,
    "white": lambda cell: np.full_like(cell, 255),
    "all of one colour": lambda cell: np.full_like(cell, (200, 100, 190)),
}


def test_a_stained_cell_is_told() -> None:
    assert is_stained(a_cell()[None]).tolist() == [True]


@pytest.mark.parametrize("change", CHANGES)
def test_what_no_stain_looks_like_is_told(change: str) -> None:
    cells = np.stack([a_cell(), CHANGES[change](a_cell()), a_cell()])
    assert is_stained(cells).tolist() == [True, False, True]


def test_no_cells_are_no_trouble() -> None:
    assert is_stained(np.empty((0, SAMPLES_PER_SIDE, SAMPLES_PER_SIDE, 3), np.uint8)).size == 0


def noisy_cells(count: int) -> Pixels:
    cells = np.repeat(a_cell()[None], count, axis=0).astype(np.int64)
    noise = np.random.default_rng(1).integers(-20, 21, cells.shape)
    return (cells + noise).clip(0, 255).astype(np.uint8)


def smears_about(looks: np.ndarray, limit: float) -> Smears:
    """Each look counts by its own deviation."""
    whitening = np.diag(1 / looks.std(axis=0))[np.tril_indices(LOOKS)]
    return Smears(tuple(looks.mean(axis=0).tolist()), tuple(whitening.tolist()), limit)


def test_what_an_image_looks_like_is_what_it_is_said_to_be() -> None:
    (cell,) = noisy_cells(1).astype(np.float64)
    flat = cell.reshape(-1, 3)
    z = np.arctanh([np.corrcoef(flat[:, a], flat[:, b])[0, 1] for a, b in ((0, 1), (0, 2), (1, 2))])
    steps = [np.abs(np.diff(cell, axis=axis)).mean(axis=(0, 1)) for axis in (0, 1)]
    expected = np.concatenate([flat.mean(axis=0), flat.std(axis=0), np.sinh(z), *steps])
    (looks,) = looks_of(cell.astype(np.uint8)[None])
    np.testing.assert_allclose(looks, expected, rtol=1e-9)


def test_an_image_all_of_one_colour_has_looks_too() -> None:
    looks = looks_of(np.full((1, SAMPLES_PER_SIDE, SAMPLES_PER_SIDE, 3), 7, np.uint8))
    assert looks.tolist() == [[7.0] * 3 + [0.0] * 12]


def test_distances_are_the_same_bits_alone_and_beside_others() -> None:
    cells = noisy_cells(67)
    looks = looks_of(cells)
    smears = smears_about(looks, 1.0)
    together = smears.distances(looks)
    alone = [smears.distances(looks_of(cell[None]))[0] for cell in cells]
    assert together.tolist() == alone
    expected = np.sqrt((((looks - looks.mean(axis=0)) / looks.std(axis=0)) ** 2).mean(axis=1))
    np.testing.assert_allclose(together, expected, rtol=1e-9)


def test_a_stained_cell_that_looks_otherwise_is_told() -> None:
    cells = noisy_cells(60)
    smears = smears_about(looks_of(cells), 2.0)
    assert is_stained(cells, smears).all()
    smoother = np.stack([a_cell(), cells[0], a_cell() // 2 * 2])
    assert is_stained(smoother).all()
    assert is_stained(smoother, smears).tolist() == [False, True, False]
    assert is_stained(cells[:0], smears).size == 0


@pytest.mark.real_data
def test_every_real_cell_is_stained_and_none_that_is_changed(real_data: Path) -> None:
    decoder = Decoder(load_model().preprocessing, batch_size=64, threads=2)
    paths = sorted(path for end in ("jpg", "tiff") for path in real_data.rglob(f"*.{end}"))[::5]
    for begin in range(0, len(paths), 64):
        encoded = [np.fromfile(path, np.uint8) for path in paths[begin : begin + 64]]
        samples = decoder.decode(encoded)[1]
        assert is_stained(samples).all()
        for change in CHANGES.values():
            assert not is_stained(change(samples)).any()
