"""Images that are no stained smear."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bloodcell.engine.decode import Decoder
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.engine.staining import lacks_staining
from bloodcell.model import load_model

PREPROCESSING = Preprocessing(16, 1.0, "linear", True, (0.8, 0.7, 0.6), (0.2, 0.1, 0.3))
Pixels = np.ndarray


def a_cell() -> Pixels:
    """A purple nucleus in pale plasma on a nearly white ground, uint8 (16, 16, 3)."""
    pixels = np.full((16, 16, 3), (232, 220, 214), np.uint8)
    pixels[2:14, 2:14] = (205, 190, 215)
    pixels[4:11, 4:11] = (120, 60, 140)
    return pixels


def is_flagged(pixels: Pixels) -> bool:
    channels = (pixels / 255 - PREPROCESSING.mean) / PREPROCESSING.std
    network_input = channels.transpose(2, 0, 1)[None].astype(np.float32)
    (flagged,) = lacks_staining(network_input, PREPROCESSING)
    return bool(flagged)


def test_a_stained_cell_is_not_flagged() -> None:
    assert not is_flagged(a_cell())


@pytest.mark.parametrize(
    "change",
    [
        lambda cell: 255 - cell,
        lambda cell: cell >> 4,
        lambda cell: 255 - (255 - cell) // 8,
        lambda cell: np.repeat(cell[..., 1:2], 3, axis=-1),
        np.zeros_like,
        lambda cell: np.full_like(cell, 255),
    ],
    ids=["negative", "12 bits in 16", "nearly white", "one channel", "black", "white"],
)
def test_what_no_stain_looks_like_is_flagged(change: Callable[[Pixels], Pixels]) -> None:
    assert is_flagged(change(a_cell()))


def test_no_cells_are_no_trouble() -> None:
    assert len(lacks_staining(np.empty((0, 3, 16, 16), np.float32), PREPROCESSING)) == 0


@pytest.mark.real_data
def test_no_real_cell_is_flagged(real_data: Path) -> None:
    preprocessing = load_model().preprocessing
    decoder = Decoder(preprocessing, batch_size=64, threads=2)
    paths = sorted(path for end in ("jpg", "tiff") for path in real_data.rglob(f"*.{end}"))[::10]
    for begin in range(0, len(paths), 64):
        encoded = [np.fromfile(path, np.uint8) for path in paths[begin : begin + 64]]
        assert not lacks_staining(decoder.decode(encoded)[0], preprocessing).any()
