"""Decoding to the network's input against Pillow, OpenCV and simplejpeg; on one thread."""

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from simplejpeg import decode_jpeg

from bloodcell.bench.peers.opencv_onnxruntime import by_opencv, resized
from bloodcell.bench.peers.pillow_torch import by_pillow
from bloodcell.engine.batches import EncodedBatch
from bloodcell.engine.decode import Decoder
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.engine.rewriting import encoded_images
from bloodcell.engine.source import batches_of, read_files
from bloodcell.model import load_model

BATCH_SIZE = 64

Pixels = npt.NDArray[np.float32]
"""As the network takes them, (N, 3, side, side)."""
Decode = Callable[[bytes], npt.NDArray[np.uint8]]

pytestmark = pytest.mark.benchmark(group=f"decode a batch of {BATCH_SIZE} JPEG cells")


@pytest.fixture(scope="module")
def batch(manifest: Path, table: pa.Table) -> EncodedBatch:
    return next(read_files(manifest.parent, batches_of(table, BATCH_SIZE)))


@pytest.fixture(scope="module")
def preprocessing() -> Preprocessing:
    return load_model().preprocessing


def normalised(decode: Decode, batch: EncodedBatch, preprocessing: Preprocessing) -> Pixels:
    """Each image by `decode`, uint8 (side, side, 3), as DALI's graph gives it."""
    mean, std = (
        255 * np.array(values, np.float32)[:, None, None]
        for values in (preprocessing.mean, preprocessing.std)
    )
    side = preprocessing.input_px
    pixels = np.empty((len(batch.rows), 3, side, side), np.float32)
    for place, image in enumerate(encoded_images(batch)[1]):
        np.subtract(decode(bytes(image)).transpose(2, 0, 1), mean, out=pixels[place])
        pixels[place] /= std
    return pixels


@pytest.fixture(scope="module")
def expected(manifest: Path, table: pa.Table, preprocessing: Preprocessing) -> Pixels:
    """Of each cell decoded alone."""
    decoder = Decoder(preprocessing, batch_size=1, threads=1)
    alone = read_files(manifest.parent, batches_of(table.slice(0, BATCH_SIZE), 1))
    return np.concatenate([decoder.decode_batch(cell).pixels for cell in alone])


def test_dali(
    benchmark: BenchmarkFixture,
    batch: EncodedBatch,
    preprocessing: Preprocessing,
    expected: Pixels,
) -> None:
    decoder = Decoder(preprocessing, batch_size=BATCH_SIZE, threads=1)
    images = benchmark(decoder.decode_batch, batch)
    np.testing.assert_array_equal(images.pixels, expected)


@pytest.mark.parametrize("library", ["pillow", "opencv", "simplejpeg_opencv"])
def test_baseline(
    benchmark: BenchmarkFixture,
    batch: EncodedBatch,
    preprocessing: Preprocessing,
    expected: Pixels,
    library: str,
) -> None:
    cv2.setNumThreads(1)
    decode = {
        "pillow": lambda image: by_pillow(io.BytesIO(image), preprocessing),
        "opencv": lambda image: resized(by_opencv(image), preprocessing),
        "simplejpeg_opencv": lambda image: resized(decode_jpeg(image), preprocessing),
    }[library]
    pixels = benchmark(normalised, decode, batch, preprocessing)
    # Two levels of 255, which their roundings and filters may come to on average.
    assert np.abs(pixels - expected).mean() < 2 / 255 / min(preprocessing.std)
