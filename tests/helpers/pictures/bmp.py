"""BMPs of every kind."""

import struct

import numpy as np

from helpers.pictures.table import (
    PILLOW,
    SIDE,
    UNSUPPORTED,
    Pixels,
    Table,
    alpha,
    gray,
    noise,
    packed,
    palette,
    pillow,
    smooth,
)

_BGR, _BGRX = noise[..., ::-1], np.dstack([noise[..., ::-1], alpha])
_COLORS = np.dstack([palette[None, :, ::-1], np.zeros((1, 256, 1), np.uint8)]).tobytes()
_RLE, _RLE4, _MASKS = 1, 2, 3


def bmp(
    depth: int,
    data: bytes,
    *,
    packing: int = 0,
    extra: bytes = b"",
    size: int = 40,
    down: bool = False,
) -> bytes:
    """Write a header of ``size`` bytes, what is ``extra`` to it, and the rows as they are."""
    height = -SIDE if down else SIDE
    info = struct.pack("<IiiHHIIiiII", size, SIDE, height, 1, depth, packing, len(data), 1, 1, 0, 0)
    head = (info + extra).ljust(size, b"\0")
    offset = 14 + len(head)
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + head + data


def _masks(*masks: int) -> bytes:
    return struct.pack(f"<{len(masks)}I", *masks)


def _runs(rows: Pixels, width: int) -> bytes:
    """Each pixel a run of its own."""
    lines = (b"".join(bytes([1, value << (8 - width)]) for value in row) for row in rows.tolist())
    return b"".join(line + b"\0\0" for line in lines) + b"\0\1"


def bmps() -> Table:
    """Those that DALI decodes first."""
    table = Table("BMP")
    table.kind("24 or 32 bits, a palette, bottom-up or top-down, Windows or OS/2")
    usual = _masks(0xFF0000, 0xFF00, 0xFF)
    table.add("24", bmp(24, _BGR[::-1].tobytes()), noise)
    table.add("24_top_down", bmp(24, _BGR.tobytes(), down=True), noise)
    table.add("24_v4", bmp(24, _BGR[::-1].tobytes(), size=108), noise)
    table.add("32", bmp(32, _BGRX[::-1].tobytes()), noise)
    table.add("32_top_down", bmp(32, _BGRX.tobytes(), down=True), noise)
    table.add("32_masks", bmp(32, _BGRX[::-1].tobytes(), packing=_MASKS, extra=usual), noise)
    data = bmp(32, _BGRX[::-1].tobytes(), packing=_MASKS, extra=usual, size=124)
    table.add("32_v5", data, noise)
    table.add("8", bmp(8, gray[::-1].tobytes(), extra=_COLORS), palette[gray])
    table.add("8_top_down", bmp(8, gray.tobytes(), extra=_COLORS, down=True), palette[gray])
    for depth in (1, 4):
        few = gray >> (8 - depth)
        data = bmp(depth, packed(few, depth)[::-1].tobytes(), extra=_COLORS[: 4 << depth])
        table.add(str(depth), data, palette[few])
    core = b"BM" + struct.pack("<IHHI", 26 + noise.size, 0, 0, 26)
    core += struct.pack("<IHHHH", 12, SIDE, SIDE, 1, 24) + _BGR[::-1].tobytes()
    table.add("os2", core, noise)
    table.kind("run lengths of 8 bits")
    runs = _runs(gray[::-1], 8)
    table.add("rle8", bmp(8, runs, packing=_RLE, extra=_COLORS), palette[gray])
    literal = b"".join(bytes([0, SIDE]) + row.tobytes() + b"\0\0" for row in gray[::-1])
    data = bmp(8, literal + b"\0\1", packing=_RLE, extra=_COLORS)
    table.add("rle8_literal", data, palette[gray])
    _rewritten(table)
    table.kind("16 bits or masks of other widths, OS/2 run lengths, JPEG within", UNSUPPORTED)
    shades = (gray.astype(np.uint16) >> 4).tobytes()
    fours = _masks(0xF00, 0xF0, 0xF)
    table.add("16_in_fours", bmp(16, shades, packing=_MASKS, extra=fours))
    tens = _masks(0x3FF00000, 0xFFC00, 0x3FF)
    table.add("32_in_tens", bmp(32, _BGRX.tobytes(), packing=_MASKS, extra=tens))
    table.add("with_jpeg", bmp(0, pillow(smooth, "JPEG"), packing=4))
    return table


def _rewritten(table: Table) -> None:
    table.kind("16 bits in fives, or five, six, five", PILLOW)
    red, green, blue = np.moveaxis(noise.astype(np.uint16), -1, 0)
    fives = (red >> 3) << 10 | (green >> 3) << 5 | blue >> 3
    right = np.round((noise >> 3) * (255 / 31))
    table.add("16", bmp(16, fives[::-1].tobytes()), right, 1)
    table.add("16_top_down", bmp(16, fives.tobytes(), down=True), right, 1)
    extra = _masks(0x7C00, 0x3E0, 0x1F)
    table.add("16_masks", bmp(16, fives[::-1].tobytes(), packing=_MASKS, extra=extra), right, 1)
    sixes = (red >> 3) << 11 | (green >> 2) << 5 | blue >> 3
    extra = _masks(0xF800, 0x7E0, 0x1F)
    right = right.copy()
    right[..., 1] = np.round((green >> 2) * (255 / 63))
    table.add("16_565", bmp(16, sixes[::-1].tobytes(), packing=_MASKS, extra=extra), right, 1)

    table.kind("32 bits, masks of whole bytes in any usual order, with alpha or without", PILLOW)
    rgb_of = {"xbgr": (3, 2, 1, 0), "abgr": (3, 2, 1, 0), "rgba": (0, 1, 2, 3)}
    for name, (red_at, green_at, blue_at, alpha_at) in rgb_of.items():
        pixels = np.empty((SIDE, SIDE, 4), np.uint8)
        pixels[..., [red_at, green_at, blue_at]], pixels[..., alpha_at] = noise, alpha
        masks = [0xFF << 8 * place for place in (red_at, green_at, blue_at, alpha_at)]
        if name == "xbgr":
            masks[3] = 0
        data = bmp(32, pixels[::-1].tobytes(), packing=_MASKS, extra=_masks(*masks), size=56)
        table.add(f"32_{name}", data, noise)

    table.kind("run lengths of 4 bits, or top-down ones", PILLOW)
    few = gray >> 4
    data = bmp(4, _runs(few[::-1], 4), packing=_RLE4, extra=_COLORS[:64])
    table.add("rle4", data, palette[few])
    data = bmp(8, _runs(gray, 8), packing=_RLE, extra=_COLORS, down=True)
    table.add("rle8_top_down", data, palette[gray])
