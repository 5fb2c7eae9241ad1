"""Matek 2019's preprocessing on the real TIFFs: alpha dropped, x 1/255, as NumPy does it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from bloodcell.engine.decode import Decoder
from bloodcell.engine.source import batches_of, read_files
from bloodcell.importing.description import read_description

pytestmark = pytest.mark.real_data


def decoded(paths: list[Path], **changed: int) -> np.ndarray:
    preprocessing = replace(read_description("matek2019").preprocessing, **changed)
    table = pa.table({"row": np.arange(len(paths)), "path": [str(path) for path in paths]})
    decoder = Decoder(preprocessing, batch_size=8, threads=1)
    images = [decoder.decode_batch(e) for e in read_files(Path("/"), batches_of(table, 8))]
    assert not any(one.reasons.any() for one in images)
    return np.concatenate([one.pixels for one in images])


def test_thirty_cells_are_their_levels_by_255_bit_for_bit(real_data: Path) -> None:
    paths = sorted((real_data / "lmu15").glob("*.tiff"))
    assert len(paths) == 30
    rgba = np.stack([np.asarray(Image.open(path)) for path in paths])
    assert rgba.shape == (30, 400, 400, 4)
    assert (rgba[..., 3] == 255).all()
    golden = rgba[..., :3].transpose(0, 3, 1, 2).astype(np.float32) * np.float32(1 / 255)
    assert np.array_equal(decoded(paths), golden)


def test_resized_cells_are_within_a_level_of_numpy(real_data: Path) -> None:
    """To half the side: antialiased, so that each pixel is a mean by a triangle of 4 x 4."""
    paths = sorted((real_data / "lmu15").glob("*.tiff"))[::5]
    rgb = np.stack([np.asarray(Image.open(path))[..., :3] for path in paths]).astype(np.float64)
    triangle = np.array([1.0, 3.0, 3.0, 1.0]) / 8
    for axis in (1, 2):
        padded = np.pad(rgb, [(1, 1) if a == axis else (0, 0) for a in range(4)], mode="edge")
        parts = [np.take(padded, np.arange(k, k + 400 - 1, 2), axis) for k in range(4)]
        rgb = sum(weight * part for weight, part in zip(triangle, parts, strict=True))
    given = 255 * decoded(paths, input_px=200).transpose(0, 2, 3, 1)
    assert np.abs(given - rgb)[:, 1:-1, 1:-1].max() <= 1.0
