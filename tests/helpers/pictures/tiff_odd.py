"""TIFFs that DALI gets wrong: rewritten by Pillow, or rejected where that does not know either."""

import io
import struct

import numpy as np
import tifffile
from PIL import Image

from helpers.pictures.table import (
    PILLOW,
    UNSUPPORTED,
    Table,
    alpha,
    bits,
    by_pillow,
    cmyk,
    gray,
    gray16,
    ink,
    noise,
    packed,
    palette,
    pillow,
    rgb16,
    rgba,
    smooth,
    to_8_bit,
)
from helpers.pictures.tiff import BIG_ENDIAN_BIG_TIFF, LAYOUTS, tiff, tiff_pages

_PLANES, _RGBA_PLANES = np.moveaxis(noise, -1, 0), np.moveaxis(rgba, -1, 0)
_PLANES_16 = np.moveaxis(rgb16, -1, 0)
_READABLE = {name: how for name, how in LAYOUTS.items() if name != BIG_ENDIAN_BIG_TIFF}


def odd_tiffs() -> Table:
    """By kind."""
    table = Table("TIFF")
    for add in (_planes, _gray, _few_bits, _color, _channels, _unsupported):
        add(table)
    return table


def _planes(table: Table) -> None:
    table.kind("planes: red, green and blue apart, as scanners write them", PILLOW)
    separate = {"planarconfig": "separate"}
    for name, how in _READABLE.items():
        table.add(f"planes_{name}", tiff(_PLANES, "rgb", **separate, **how), noise)
        data = tiff(_PLANES_16, "rgb", **separate, **how)
        table.add(f"planes_16_{name}", data, to_8_bit(rgb16), 1)
        for code, meaning in ((0, "infrared"), (2, "alpha")):
            data = tiff(_RGBA_PLANES, "rgb", extrasamples=[code], **separate, **how)
            table.add(f"planes_{meaning}_{name}", data, noise)
    for orientation in range(2, 9):
        data = tiff(_PLANES, "rgb", **separate, extratags=[(274, "H", 1, orientation, True)])
        table.add(f"planes_orientation_{orientation}", data, by_pillow(data))
    table.kind("of the kinds that Pillow decodes: a big-endian BigTIFF", UNSUPPORTED)
    data = tiff(_PLANES, "rgb", **separate, **LAYOUTS[BIG_ENDIAN_BIG_TIFF])
    table.add("planes_bigtiff_big_endian", data)


def _gray(table: Table) -> None:
    table.kind("gray with alpha, white-is-zero in tiles", PILLOW)
    for name, how in _READABLE.items():
        veiled = np.dstack([gray, alpha])
        data = tiff(veiled, "minisblack", extrasamples=[2], **how)
        table.add(f"gray_alpha_{name}", data, gray)
        if "tile" in how:
            table.add(f"white_is_zero_{name}", tiff(gray, "miniswhite", **how), 255 - gray)
    table.kind("white-is-zero in 16 bits", UNSUPPORTED)
    table.add("white_is_zero_16", tiff(gray16, "miniswhite"))


def _few_bits(table: Table) -> None:
    table.kind("1, 2 or 4 bits, also packed for fax, bits in either order", PILLOW)
    black_and_white = bits * np.uint8(255)
    for name in ("one_strip", "strips", "tiles", "big_endian", "bigtiff"):
        how = LAYOUTS[name]
        table.add(f"bilevel_{name}", tiff(bits, "minisblack", **how), black_and_white)
        data = tiff(bits, "miniswhite", **how)
        table.add(f"bilevel_white_is_zero_{name}", data, 255 - black_and_white)
    for name in ("group3", "group4", "tiff_ccitt", "tiff_lzw", "packbits"):
        table.add(f"bilevel_{name}", pillow(bits, "TIFF", compression=name), black_and_white)
    for depth in (2, 4):
        few = gray >> (8 - depth)
        data = _with_depth(few, depth, 1)
        table.add(f"gray_{depth}", data, few * np.uint8(255 // ((1 << depth) - 1)))
        table.add(f"palette_{depth}", _with_depth(few, depth, 3), palette[few])
    turned = np.packbits(np.unpackbits(gray[..., None], axis=-1)[..., ::-1], axis=-1)[..., 0]
    table.add("bits_turned", _with_depth(turned, 8, 1, order=2), gray)


def _tag(tag: int, value: int, kind: int = 4, count: int = 1) -> bytes:
    return struct.pack("<HHII", tag, kind, count, value)


def _with_depth(values: np.ndarray, depth: int, photometric: int, order: int = 1) -> bytes:
    """Write by hand what tifffile and Pillow do not: a directory, then a palette and the rows."""
    rows = packed(values, depth).tobytes()
    colors = (palette[: 1 << depth].T.astype("<u2") * 257).tobytes() if photometric == 3 else b""
    tags = {256: 32, 257: 32, 258: depth, 259: 1, 262: photometric, 266: order, 277: 1, 278: 32}
    after = 8 + 2 + 12 * (len(tags) + 2 + bool(colors)) + 4
    entries = [_tag(tag, value) for tag, value in tags.items()]
    entries += [_tag(273, after + len(colors)), _tag(279, len(rows))]
    if colors:
        entries.append(_tag(320, after, 3, len(colors) // 2))
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    in_order = sorted(entries, key=lambda entry: entry[:2][::-1])
    return head + b"".join(in_order) + bytes(4) + colors + rows


def _color(table: Table) -> None:
    table.kind("associated alpha: the colours that were multiplied by it", PILLOW)
    opaque = np.maximum(alpha, 128)
    veiled = np.round(noise * (opaque[..., None] / 255)).astype(np.uint8)
    for name, how in _READABLE.items():
        data = tiff(np.dstack([veiled, opaque]), "rgb", extrasamples=[1], **how)
        table.add(f"associated_alpha_{name}", data, noise, 2)
    table.kind("CMYK of 16 bits or in planes, YCbCr, L*a*b*, LZMA", PILLOW)
    by_ink = by_pillow(pillow(ink, "TIFF"))
    for name, how in _READABLE.items():
        table.add(f"cmyk_16_{name}", tiff(cmyk.astype(np.uint16) * 257, "separated", **how), by_ink)
    planes = np.moveaxis(cmyk, -1, 0)
    for name, channels in (("", planes), ("_16", planes.astype(np.uint16) * 257)):
        data = tiff(channels, "separated", planarconfig="separate")
        table.add(f"cmyk_planes{name}", data, by_ink)
    ycbcr = Image.fromarray(smooth).convert("YCbCr")
    table.add("ycbcr", pillow(ycbcr, "TIFF"), smooth, 4)
    table.add("ycbcr_lzw", pillow(ycbcr, "TIFF", compression="tiff_lzw"), smooth, 4)
    # With 8 bits a step of a* or b* is several levels of a channel.
    table.add("lab", pillow(Image.fromarray(smooth).convert("LAB"), "TIFF"), smooth, 20)
    table.add("lzma", pillow(noise, "TIFF", compression="lzma"), noise)


def _channels(table: Table) -> None:
    table.kind("channels or slices as pages, one channel of several", UNSUPPORTED)
    for mode in ("composite", "color", "grayscale"):
        out = io.BytesIO()
        tifffile.imwrite(out, _PLANES, imagej=True, metadata={"axes": "CYX", "mode": mode})
        table.add(f"imagej_{mode}", out.getvalue())
    table.add("gray_pages", tiff_pages(*((plane, {}) for plane in _PLANES)))
    table.add("gray_pages_16", tiff_pages((gray16, {}), (gray16.T, {})))
    out = io.BytesIO()
    tifffile.imwrite(out, _PLANES, ome=True, photometric="minisblack", metadata={"axes": "CYX"})
    table.add("ome", out.getvalue())
    lone = {"description": "ImageJ=1.54f\nimages=3\nchannels=3\nmode=composite\n"}
    table.add("imagej_one_page", tiff(gray, "minisblack", **lone))
    table.add("two_samples", tiff(np.dstack([gray, alpha]), "minisblack", extrasamples=[0]))
    table.kind("a smaller copy in front of the picture", UNSUPPORTED)
    table.add("smaller_first", tiff_pages((noise[:16, :16], {"subfiletype": 1}), (noise, {})))
    table.kind("10, 12 or 14 bits in 16: where white lies is not said", UNSUPPORTED)
    for depth in (10, 12, 14):
        for name, how in LAYOUTS.items():
            table.add(f"rgb_{depth}_{name}", tiff(rgb16 >> (16 - depth), "rgb", **how))
            table.add(f"gray_{depth}_{name}", tiff(gray16 >> (16 - depth), "minisblack", **how))


def _unsupported(table: Table) -> None:
    table.kind("12 or 32 bits, signed, floating point", UNSUPPORTED)
    table.add("rgb_32", tiff(rgb16.astype(np.uint32), "rgb"))
    table.add("signed", tiff(noise.view(np.int8), "rgb"))
    # What is white in a float image is for its maker to know.
    table.add("float", tiff((noise / 255).astype(np.float32), "rgb"))
    table.add("gray_12", _with_depth(gray, 8, 1).replace(_tag(258, 8), _tag(258, 12)))
