"""PNGs of every kind."""

import struct
import zlib

import numpy as np
from PIL import Image

from helpers.pictures.table import (
    PILLOW,
    SIDE,
    UNSUPPORTED,
    Pixels,
    Table,
    alpha,
    by_pillow,
    exif,
    gray,
    gray16,
    noise,
    packed,
    palette,
    pillow,
    rgb16,
    rgba,
    to_8_bit,
)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    image: Pixels,
    color: int,
    depth: int = 8,
    chunk: tuple[bytes, bytes] | None = None,
    adam7: bool = False,
) -> bytes:
    """Write the rows as they are; ``chunk``, a kind and its data, in front of them."""
    passes = [(0, 0, 1, 1)]
    if adam7:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4)]
        passes += [(1, 0, 2, 2), (0, 1, 1, 2)]
    rows = [row for x0, y0, dx, dy in passes for row in image[y0::dy, x0::dx]]
    body = _chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, depth, color, 0, 0, int(adam7)))
    if color == 3:
        body += _chunk(b"PLTE", palette[: 1 << depth].tobytes())
    if chunk is not None:
        body += _chunk(*chunk)
    body += _chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + body + _chunk(b"IEND", b"")


def pngs() -> Table:
    """Those that DALI decodes first."""
    table = Table("PNG")
    table.kind("RGB or gray, of 8 bits or fewer, with a palette, interlaced")
    table.add("rgb", png(noise, 2), noise)
    table.add("gray", png(gray, 0), gray)
    table.add("palette", png(gray, 3), palette[gray])
    table.add("gamma", png(noise, 2, chunk=(b"gAMA", struct.pack(">I", 100_000))), noise)
    for depth in (1, 2, 4):
        few = gray >> (8 - depth)
        levels = few * np.uint8(255 // ((1 << depth) - 1))
        table.add(f"gray_{depth}", png(packed(few, depth), 0, depth), levels)
        table.add(f"palette_{depth}", png(packed(few, depth), 3, depth), palette[few])
    for name, image, color in (("rgb", noise, 2), ("rgba", rgba, 6), ("gray", gray, 0)):
        right = image[..., :3] if image.ndim == 3 else image
        table.add(f"interlaced_{name}", png(image, color, adam7=True), right)
    table.kind("alpha, or a transparent colour: dropped, the colours are as stored")
    table.add("rgba", png(rgba, 6), noise)
    table.add("gray_alpha", png(np.dstack([gray, alpha]), 4), gray)
    table.add("palette_trns", png(gray, 3, chunk=(b"tRNS", bytes(range(256)))), palette[gray])
    table.add("rgb_trns", png(noise, 2, chunk=(b"tRNS", struct.pack(">3H", *noise[3, 3]))), noise)
    table.add("gray_trns", png(gray, 0, chunk=(b"tRNS", struct.pack(">H", gray[3, 3]))), gray)
    table.add("background", png(rgba, 6, chunk=(b"bKGD", struct.pack(">3H", 0, 255, 0))), noise)
    table.kind("16 bits: 65535 is white")
    table.add("rgb_16", png(rgb16.astype(">u2"), 2, 16), to_8_bit(rgb16))
    table.add("gray_16", png(gray16.astype(">u2"), 0, 16), to_8_bit(gray16))
    table.kind("10, 12 or 14 bits in 16: where white lies is not said", UNSUPPORTED)
    for depth in (10, 12, 14):
        table.add(f"rgb_{depth}", png((rgb16 >> (16 - depth)).astype(">u2"), 2, 16))
        table.add(f"gray_{depth}", png((gray16 >> (16 - depth)).astype(">u2"), 0, 16))
    table.kind("EXIF orientation")
    for orientation in range(1, 9):
        data = pillow(noise, "PNG", exif=exif(orientation))
        table.add(f"exif_{orientation}", data, by_pillow(data))
    table.kind("animated: its first picture", PILLOW)
    for name, first in (("", noise), ("_rgba", rgba), ("_gray", gray)):
        for default in (False, True):
            data = _animated(first, default)
            right = first[..., :3] if first.ndim == 3 else first
            table.add(f"animated{name}{'_behind_another' if default else ''}", data, right)
    return table


def _animated(first: Pixels, first_is_default: bool) -> bytes:
    """Two more pictures follow; the first is one of the animation or shown only without it."""
    others = [Image.fromarray(np.ascontiguousarray(first[::step, ::step])) for step in (-1, 1)]
    return pillow(
        Image.fromarray(first),
        "PNG",
        save_all=True,
        append_images=[others[0], others[1].rotate(90)],
        default_image=first_is_default,
        blend=1,
    )
