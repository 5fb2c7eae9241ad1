"""Pixels to the bytes of a file, in every format and flavour that smears come in."""

import io
import struct
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin

from bloodcell.errors import InputError

Pixels: TypeAlias = npt.NDArray[np.uint8]

REMARK = "Drawn by bloodcell phantom. Not a real cell."
"""Written into JPEG and PNG files. TIFF keeps the scanner's exact layout; BMP has no place."""

_EXIF_ORIENTATION = 0x0112
_EXIF_ROTATE_90_CLOCKWISE = 6
_TIFF_SHORT, _TIFF_LONG = 3, 4


def encode(pixels: Pixels, variant: str) -> bytes:
    """Encode RGB pixels, uint8 (height, width, 3), as one of ``VARIANTS``; deterministic.

    Raises:
        InputError: The variant is unknown, or the pixels are not of this shape and type.
    """
    if variant not in _ENCODERS:
        raise InputError(f"Unknown image variant {variant!r}; known: {', '.join(VARIANTS)}")
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise InputError(
            f"Pixels must be uint8 (height, width, 3), not {pixels.dtype} {pixels.shape}"
        )
    return _ENCODERS[variant](pixels)


def suffix(variant: str) -> str:
    """Return the ending of file names of a variant, with its dot."""
    file_format = variant.partition("_")[0]
    return {"jpeg": ".jpg", "tiff": ".tiff", "png": ".png", "bmp": ".bmp"}[file_format]


def _saved(pixels: Pixels, file_format: str, mode: str = "RGB", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, file_format, **options)
    return buffer.getvalue()


def _jpeg(pixels: Pixels, mode: str = "RGB", **options: Any) -> bytes:
    options = {"quality": 85, "subsampling": "4:4:4", "comment": REMARK, **options}
    return _saved(pixels, "JPEG", mode, **options)


def _jpeg_rotated(pixels: Pixels) -> bytes:
    """Store the pixels turned left, and the tag that tells viewers to turn them right."""
    exif = Image.Exif()
    exif[_EXIF_ORIENTATION] = _EXIF_ROTATE_90_CLOCKWISE
    return _jpeg(np.rot90(pixels), exif=exif)


def _png(pixels: Pixels) -> bytes:
    remark = PngImagePlugin.PngInfo()
    remark.add_text("Comment", REMARK)
    return _saved(pixels, "PNG", compress_level=1, pnginfo=remark)


def _tiff_rgba(pixels: Pixels) -> bytes:
    opaque = np.full((*pixels.shape[:2], 1), 255, np.uint8)
    return _tiff(np.concatenate([pixels, opaque], axis=-1))


def _tiff(pixels: Pixels) -> bytes:
    """Write one uncompressed strip, as the scanner of the LMU does: 640,154 bytes at 400 x 400.

    Header, directory, bits per sample, pixels; ``pixels`` is uint8 (height, width, 3 or 4).
    """
    height, width, samples = pixels.shape
    fields = 11 if samples == 4 else 10
    bits_at = 8 + 2 + 12 * fields + 4
    strip_at = bits_at + 2 * samples
    entries = [
        (256, _TIFF_LONG, 1, width),
        (257, _TIFF_LONG, 1, height),
        (258, _TIFF_SHORT, samples, bits_at),
        (259, _TIFF_SHORT, 1, 1),  # not compressed
        (262, _TIFF_SHORT, 1, 2),  # RGB
        (273, _TIFF_LONG, 1, strip_at),
        (277, _TIFF_SHORT, 1, samples),
        (278, _TIFF_LONG, 1, height),
        (279, _TIFF_LONG, 1, pixels.size),
        (284, _TIFF_SHORT, 1, 1),  # samples of a pixel lie together
        (338, _TIFF_SHORT, 1, 2),  # the fourth sample is unassociated alpha
    ][:fields]
    # Little-endian: a short value fills the first half of the four bytes for a value.
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    head = struct.pack("<2sHIH", b"II", 42, 8, fields) + directory + struct.pack("<I", 0)
    return head + struct.pack(f"<{samples}H", *[8] * samples) + pixels.tobytes()


_ENCODERS: Mapping[str, Callable[[Pixels], bytes]] = {
    "jpeg": _jpeg,
    "jpeg_420": partial(_jpeg, subsampling="4:2:0"),
    "jpeg_gray": partial(_jpeg, mode="L"),
    "jpeg_cmyk": partial(_jpeg, mode="CMYK"),
    "jpeg_progressive": partial(_jpeg, progressive=True),
    "jpeg_rotated": _jpeg_rotated,
    "tiff_rgb": _tiff,
    "tiff_rgba": _tiff_rgba,
    "png": _png,
    "bmp": partial(_saved, file_format="BMP"),
}

VARIANTS: tuple[str, ...] = tuple(_ENCODERS)
"""What ``encode`` can write. JPEG is of quality 85 and, but for ``jpeg_420``, not subsampled."""
