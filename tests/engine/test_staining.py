"""Which images may be of a stained smear, and that it is told alike wherever they are decoded."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bloodcell.engine.decode import Decoder
from bloodcell.engine.staining import SAMPLES_PER_SIDE, is_stained
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
