"""What the pictures of all formats share: a scene, its right pixels, and a table to put them in."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from bloodcell._core import REASONS, gate
from bloodcell.engine.batches import EncodedBatch

Pixels = np.ndarray[Any, Any]
SIDE = 32
DALI, PILLOW, UNSUPPORTED = "DALI", "Pillow", "unsupported"
"""Who decodes a picture, or why it is rejected."""

_random = np.random.default_rng(7)
y, x = np.mgrid[0:SIDE, 0:SIDE]
# Smooth with one sharp patch for lossy formats, and noise for lossless ones; neither is symmetric.
smooth = np.stack([40 + 5 * x, 30 + 6 * y, 200 - 3 * x - 2 * y], -1).clip(0, 255).astype(np.uint8)
smooth[4:12, 6:20] = (200, 60, 90)
noise = _random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
gray = noise[..., 0]
alpha = _random.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
rgba = np.dstack([noise, alpha])
bits = gray > 127
gray16 = _random.integers(0, 65536, (SIDE, SIDE), dtype=np.uint16)
rgb16 = _random.integers(0, 65536, (SIDE, SIDE, 3), dtype=np.uint16)
palette = _random.integers(0, 256, (256, 3), dtype=np.uint8)
cmyk = np.dstack([255 - smooth, (3 * x).astype(np.uint8)])
ink = Image.frombytes("CMYK", (SIDE, SIDE), cmyk.tobytes())


@dataclass(frozen=True)
class Picture:
    """An encoded picture and what becomes of it."""

    kind: str
    """As docs/input.md calls it, with its format in front."""
    outcome: str
    """``DALI``, ``PILLOW`` or a reason."""
    data: bytes
    right: Pixels | None
    """What a viewer shows, uint8 (SIDE, SIDE, 3); None where the picture is rejected."""
    tolerance: int
    """Levels by which decoders may differ."""


class Table(dict[str, Picture]):
    """Pictures of one format by name."""

    def __init__(self, fmt: str) -> None:
        super().__init__()
        self._format, self._kind, self._outcome = fmt, "", DALI

    def kind(self, kind: str, outcome: str = DALI) -> None:
        """Say of what kind those are that come next."""
        self._kind, self._outcome = f"{self._format}: {kind}", outcome

    def add(self, name: str, data: bytes, right: Pixels | None = None, tolerance: int = 0) -> None:
        """Put a picture in; one that is scored has its right pixels, two axes for a gray one."""
        assert name not in self
        assert (right is None) == (self._outcome not in (DALI, PILLOW))
        if right is not None and right.ndim == 2:
            right = np.repeat(right[..., None], 3, -1)
        self[name] = Picture(self._kind, self._outcome, data, right, tolerance)


def pillow(image: Pixels | Image.Image, fmt: str, **options: Any) -> bytes:
    """Encode with Pillow."""
    out = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(out, fmt, **options)
    return out.getvalue()


def by_pillow(data: bytes) -> Pixels:
    """What Pillow makes of it: upright, RGB."""
    image = Image.open(io.BytesIO(data))
    return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def to_8_bit(image: Pixels) -> Pixels:
    """65535 becomes 255."""
    return np.round(image / 257.0).astype(np.uint8)


def exif(orientation: int) -> Image.Exif:
    """EXIF data that say only how to turn the picture."""
    tags = Image.Exif()
    tags[274] = orientation
    return tags


def packed(values: Pixels, depth: int) -> Pixels:
    """Pack values below 2**depth into bytes along each row, as PNG, BMP and TIFF do."""
    unpacked = np.unpackbits(values[..., None], axis=-1)[..., 8 - depth :]
    return np.packbits(unpacked.reshape(SIDE, -1), axis=1)


Decode = Callable[[Sequence[bytes]], tuple[Pixels, list[str]]]


def decoder(batch_size: int, threads: int) -> Decode:
    """Gate and decode as production does, but for its resizing, which is set to do nothing.

    What it returns takes up to ``batch_size`` encoded images and gives the pixels of those D that
    can be scored, float32 (D, SIDE, SIDE, 3) in levels of 0 to 255, and the reason of each.
    """
    from bloodcell.engine.decode import Decoder
    from bloodcell.engine.preprocessing import Preprocessing

    same = Preprocessing(SIDE, 1.0, "linear", False, (0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255))
    opened = Decoder(same, batch_size=batch_size, threads=threads)

    def decode(encoded: Sequence[bytes]) -> tuple[Pixels, list[str]]:
        images = opened.decode_batch(gated(encoded))
        return images.pixels.transpose(0, 2, 3, 1), [REASONS[i] for i in images.reasons]

    return decode


def gated(encoded: Sequence[bytes]) -> EncodedBatch:
    """Put images into a batch, as they are in memory."""
    buffer = np.frombuffer(b"".join(encoded), np.uint8)
    offsets = np.cumsum([0, *map(len, encoded)])
    digests = np.zeros((len(encoded), 16), np.uint8)
    return EncodedBatch(np.arange(len(encoded)), buffer, offsets, gate(buffer, offsets), digests)
