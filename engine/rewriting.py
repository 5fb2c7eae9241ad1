"""What DALI gets of a batch: the images that passed the gate, some of them rewritten by Pillow."""

import io
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, TiffImagePlugin

from bloodcell._core import IS_DEEP, IS_PACKED, NEEDS_REWRITING, REASONS, traits
from bloodcell.engine.batches import EncodedBatch

# Pillow's own reader of what is not compressed gets planes of 16 bits wrong; libtiff does not.
TiffImagePlugin.READ_LIBTIFF = True

CORRUPT = REASONS.index("corrupt")
_FORMATS = ["JPEG", "TIFF", "PNG", "BMP"]
"""MPO, which Pillow calls some JPEGs with several pictures, is opened as its first one."""
_DEFLATE = (8, 32946)
"""Compressions of a TIFF whose segments end in a checksum (RFC 1950)."""
_SEGMENTS = ((273, 279), (324, 325))
"""Tags of where strips begin and of their bytes; of tiles."""


@dataclass(frozen=True)
class PassedImages:
    """The P images of a batch of N that DALI can be given."""

    reasons: npt.NDArray[np.uint8]
    """(N,), the batch's own; ``corrupt`` where Pillow could not read what it had to rewrite or to
    prove."""
    places: npt.NDArray[np.int64]
    """Which cells of the batch they are, (P,)."""
    encoded: list[npt.NDArray[np.uint8]]
    """The bytes of each: views of the batch, or a BMP."""
    is_deep: npt.NDArray[np.bool_]
    """Has samples of 16 bits, (P,)."""


def encoded_images(
    batch: EncodedBatch,
) -> tuple[npt.NDArray[np.int64], list[npt.NDArray[np.uint8]]]:
    """Which cells of the batch passed the gate, int64 (P,), and their bytes, without a copy."""
    passed = np.flatnonzero(batch.reasons == 0)
    starts, ends = batch.offsets[passed], batch.offsets[passed + 1]
    return passed, [batch.buffer[start:end] for start, end in zip(starts, ends, strict=True)]


def passed_images(batch: EncodedBatch) -> PassedImages:
    """Rewrite those images of the batch that the gate says DALI does not get right.

    Those of which DALI would not notice that they are broken are tried here.
    """
    reasons = batch.reasons.copy()
    passed, encoded = encoded_images(batch)
    bits = traits(batch.buffer, batch.offsets)[passed]
    for image in np.flatnonzero(bits & NEEDS_REWRITING).tolist():
        bmp = rewritten(encoded[image])
        if bmp is None:
            reasons[passed[image]] = CORRUPT
        else:
            encoded[image] = bmp
    for image in np.flatnonzero(bits & IS_PACKED).tolist():
        if not unpacks(encoded[image]):
            reasons[passed[image]] = CORRUPT
    kept = np.flatnonzero(reasons[passed] == 0)
    encoded = [encoded[image] for image in kept.tolist()]
    return PassedImages(reasons, passed[kept], encoded, (bits[kept] & IS_DEEP) != 0)


def rewritten(encoded: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8] | None:
    """The picture as a viewer shows it, upright and without alpha, as BMP; None if unreadable."""
    bmp = io.BytesIO()
    try:
        with Image.open(io.BytesIO(encoded.tobytes()), formats=_FORMATS) as image:
            ImageOps.exif_transpose(image).convert("RGB").save(bmp, "BMP")
    except Exception:
        # Of whatever kind: a decoder's complaint about its input is about this image alone.
        return None
    return np.frombuffer(bmp.getbuffer(), np.uint8)


def unpacks(encoded: npt.NDArray[np.uint8]) -> bool:
    """Whether a packed TIFF can be unpacked to its end, as far as its packing can tell.

    libtiff stops at the last pixel and reads no checksum behind it, so deflate is tried besides.
    """
    data = encoded.tobytes()
    try:
        with Image.open(io.BytesIO(data), formats=["TIFF"]) as image:
            assert isinstance(image, TiffImagePlugin.TiffImageFile)
            tags = image.tag_v2
            if tags[TiffImagePlugin.COMPRESSION] in _DEFLATE:
                for first, size in zip(*_segments(tags), strict=True):
                    zlib.decompress(data[first : first + size])
            image.load()
    except Exception:
        # Likewise.
        return False
    return True


def _segments(tags: TiffImagePlugin.ImageFileDirectory_v2) -> tuple[tuple[int, ...], ...]:
    """Where strips or tiles begin, and their bytes."""
    tags_of = next(pair for pair in _SEGMENTS if pair[0] in tags)
    return tuple(tags[tag] for tag in tags_of)
