"""By how much a GPU's pixels may differ from the CPU's, by the kind of JPEG.

Full chroma is decoded alike but for rounding. Of subsampled chroma libjpeg-turbo, which the CPU
uses, interpolates the samples between pixels; a GPU's decoder repeats them. That alone makes the
difference that an H100 showed, and is told here without one.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gpu.decoders import jpeg_kind
from PIL import Image

from bloodcell.engine.batches import EncodedBatch
from bloodcell.engine.decode import Decoder
from bloodcell.engine.device_decode import on_host, open_device_decoder
from bloodcell.model import load_model

BATCH = 8
MOST_LEVELS = 4
"""Of 255; two on an H100's CUDA cores, one on its decoder circuit."""
AN_H100_DIFFERED_BY = 10
"""Levels, on these very images, as first measured (benchmarks/gpu/measured)."""


@pytest.fixture(scope="module")
def host() -> Decoder:
    return Decoder(load_model().preprocessing, batch_size=BATCH, threads=1)


@pytest.fixture(scope="module")
def by_kind(smears: Path) -> dict[str, list[np.ndarray]]:
    """The drawn JPEGs; those of four colours are decoded on the CPU always."""
    kinds: dict[str, list[np.ndarray]] = {}
    for path in sorted(smears.glob("*/*.jpg")):
        image = np.fromfile(path, np.uint8)
        kinds.setdefault(jpeg_kind(image), []).append(image)
    kinds.pop("CMYK")
    return kinds


def with_repeated_chroma(image: np.ndarray) -> np.ndarray:
    """The JPEG as BMP, its chroma not interpolated."""
    simplejpeg = pytest.importorskip("simplejpeg")
    pixels = simplejpeg.decode_jpeg(image.tobytes(), fastupsample=True, fastdct=False)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "BMP")
    return np.frombuffer(file.getvalue(), np.uint8)


def pixels_of(host: Decoder, images: list[np.ndarray]) -> np.ndarray:
    groups = [images[first : first + BATCH] for first in range(0, len(images), BATCH)]
    return np.concatenate([host.decode(group)[0] for group in groups])


def levels(host: Decoder, difference: np.ndarray) -> float:
    scale = 255 * np.array(host.preprocessing.std, np.float32)[:, None, None]
    return float((scale * np.abs(difference)).max())


def test_repeated_chroma_is_what_an_h100_differed_by_and_of_one_kind_alone(
    host: Decoder, by_kind: dict[str, list[np.ndarray]]
) -> None:
    assert set(by_kind) == {"4:4:4", "4:2:0", "gray", "4:4:4 progressive"}
    differences = {
        kind: levels(
            host, pixels_of(host, images) - pixels_of(host, [*map(with_repeated_chroma, images)])
        )
        for kind, images in by_kind.items()
        # Turned by the tag, which a BMP has not: of full chroma too.
        if kind != "4:4:4"
    }
    assert differences.pop("4:2:0") == pytest.approx(AN_H100_DIFFERED_BY, abs=0.01)
    assert max(differences.values()) < 0.01


@pytest.mark.gpu
@pytest.mark.parametrize("hardware_decoder", [False, True])
@pytest.mark.parametrize("kind", ["4:4:4", "4:4:4 progressive", "gray", "4:2:0"])
def test_on_a_gpu_jpegs_decode_nearly_as_on_the_cpu(
    host: Decoder, by_kind: dict[str, list[np.ndarray]], kind: str, hardware_decoder: bool
) -> None:
    """Subsampled ones as the CPU decodes them with repeated chroma."""
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed", exc_type=ImportError)
    stream = cupy.cuda.Stream(non_blocking=True)
    decoder = open_device_decoder(
        host.preprocessing,
        batch_size=BATCH,
        threads=4,
        stream=stream,
        hardware_decoder=hardware_decoder,
    )
    images = by_kind[kind]
    seen_as = [*map(with_repeated_chroma, images)] if kind == "4:2:0" else images
    for first in range(0, len(images), BATCH):
        decoded: Any = decoder.decode_batch(in_a_batch(images[first : first + BATCH]))
        (part,) = decoded.parts
        assert not isinstance(part.pixels, np.ndarray)
        stream.synchronize()
        expected = pixels_of(host, seen_as[first : first + BATCH])
        assert levels(host, on_host(part.pixels) - expected) < MOST_LEVELS


def in_a_batch(images: list[np.ndarray]) -> EncodedBatch:
    count = len(images)
    offsets = np.cumsum([0, *map(len, images)])
    return EncodedBatch(
        np.arange(count),
        np.concatenate(images),
        offsets,
        np.zeros(count, np.uint8),
        np.zeros((count, 16), np.uint8),
    )
