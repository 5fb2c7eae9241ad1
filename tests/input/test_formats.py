"""The truth table of formats: what the gate lets through, the real decoder decodes right."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from bloodcell import _core

SIDE = 32
random = np.random.default_rng(7)
y, x = np.mgrid[0:SIDE, 0:SIDE]
# Smooth with one sharp patch for lossy formats, and noise for lossless ones; neither is symmetric.
smooth = np.stack([40 + 5 * x, 30 + 6 * y, 200 - 3 * x - 2 * y], -1).clip(0, 255).astype(np.uint8)
smooth[4:12, 6:20] = (200, 60, 90)
noise = random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
gray = noise[..., 0]
alpha = random.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
rgba = np.dstack([noise, alpha])
bits = gray > 127
gray16 = random.integers(0, 65536, (SIDE, SIDE), dtype=np.uint16)
rgb16 = random.integers(0, 65536, (SIDE, SIDE, 3), dtype=np.uint16)
palette = random.integers(0, 256, (256, 3), dtype=np.uint8)
cmyk = np.dstack([255 - smooth, (3 * x).astype(np.uint8)])

Pixels = np.ndarray[Any, Any]


class Variant(NamedTuple):
    data: bytes
    right: Pixels | None  # uint8 (SIDE, SIDE, 3); None: the gate must call it unsupported
    tolerance: int


VARIANTS: dict[str, Variant] = {}


def add(name: str, data: bytes, right: Pixels | None, tolerance: int = 0) -> None:
    if right is not None and right.ndim == 2:
        right = np.repeat(right[..., None], 3, -1)
    assert name not in VARIANTS
    VARIANTS[name] = Variant(data, right, tolerance)


def pillow(image: Pixels | Image.Image, fmt: str, **options: Any) -> bytes:
    out = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(out, fmt, **options)
    return out.getvalue()


def by_pillow(data: bytes) -> Pixels:
    """What Pillow makes of it: upright, RGB."""
    image = Image.open(io.BytesIO(data))
    return np.asarray((ImageOps.exif_transpose(image) or image).convert("RGB"))


def to_8_bit(image: Pixels) -> Pixels:
    return np.round(image / 257.0).astype(np.uint8)


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[274] = orientation
    return tags


def packed(values: Pixels, depth: int) -> Pixels:
    """Pack values below 2**depth into bytes along each row, as PNG, BMP and TIFF do."""
    unpacked = np.unpackbits(values[..., None], axis=-1)[..., 8 - depth :]
    return np.packbits(unpacked.reshape(SIDE, -1), axis=1)


# --- JPEG


def jpegs() -> None:
    def ours(name: str, data: bytes) -> None:
        # Decoders differ by a few levels in the inverse transform and in upsampling.
        add(f"jpeg_{name}", data, by_pillow(data), tolerance=4)

    for subsampling, name in enumerate(("444", "422", "420")):
        ours(name, pillow(smooth, "JPEG", quality=92, subsampling=subsampling))
    ours("gray", pillow(smooth[..., 0], "JPEG"))
    ours("progressive", pillow(smooth, "JPEG", progressive=True))
    ours("progressive_gray", pillow(smooth[..., 0], "JPEG", progressive=True))
    ours("restarts", pillow(smooth, "JPEG", restart_marker_blocks=1))
    ours("stored_as_rgb", pillow(smooth, "JPEG", keep_rgb=True))
    for orientation in range(1, 9):
        ours(f"exif_{orientation}", pillow(smooth, "JPEG", exif=exif(orientation)))

    adobe = pillow(Image.frombytes("CMYK", (SIDE, SIDE), cmyk.tobytes()), "JPEG", quality=95)
    ours("cmyk", adobe)
    at = adobe.index(b"Adobe")
    ours("ycck", adobe[: at + 11] + b"\x02" + adobe[at + 12 :])
    # Whether CMYK without Adobe's marker is inverted is anybody's guess; DALI and Pillow differ.
    add("jpeg_cmyk_unmarked", adobe[: at - 4] + adobe[at + 12 :], None)

    plain = pillow(smooth, "JPEG")
    frame = plain.index(b"\xff\xc0")
    for name, code, precision in (("12_bit", 1, 12), ("lossless", 3, 8), ("arithmetic", 9, 8)):
        data = bytearray(plain)
        data[frame + 1], data[frame + 4] = 0xC0 + code, precision
        add(f"jpeg_{name}", bytes(data), None)


# --- PNG


def png(
    image: Pixels, color: int, depth: int = 8, chunks: bytes = b"", adam7: bool = False
) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    passes = [(0, 0, 1, 1)]
    if adam7:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4)]
        passes += [(1, 0, 2, 2), (0, 1, 1, 2)]
    rows = [row for x0, y0, dx, dy in passes for row in image[y0::dy, x0::dx]]
    header = struct.pack(">IIBBBBB", SIDE, SIDE, depth, color, 0, 0, int(adam7))
    pixels = b"".join(b"\0" + row.tobytes() for row in rows)
    colors = chunk(b"PLTE", palette[: 1 << depth].tobytes()) if color == 3 else b""
    if chunks:
        chunks = chunk(chunks[:4], chunks[4:])
    body = chunk(b"IHDR", header) + colors + chunks + chunk(b"IDAT", zlib.compress(pixels))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def pngs() -> None:
    add("png_rgb", png(noise, 2), noise)
    add("png_rgba", png(rgba, 6), noise)
    add("png_gray", png(gray, 0), gray)
    add("png_gray_alpha", png(np.dstack([gray, alpha]), 4), gray)
    add("png_palette", png(gray, 3), palette[gray])
    add("png_palette_trns", png(gray, 3, chunks=b"tRNS" + bytes(range(256))), palette[gray])
    add("png_rgb_trns", png(noise, 2, chunks=b"tRNS" + struct.pack(">3H", *noise[3, 3])), noise)
    add("png_gray_trns", png(gray, 0, chunks=b"tRNS" + struct.pack(">H", gray[3, 3])), gray)
    add("png_background", png(rgba, 6, chunks=b"bKGD" + struct.pack(">3H", 0, 255, 0)), noise)
    add("png_gamma", png(noise, 2, chunks=b"gAMA" + struct.pack(">I", 100_000)), noise)
    add("png_rgb_16", png(rgb16.astype(">u2"), 2, 16), to_8_bit(rgb16))
    add("png_gray_16", png(gray16.astype(">u2"), 0, 16), to_8_bit(gray16))
    for depth in (1, 2, 4):
        few = gray >> (8 - depth)
        levels = few * np.uint8(255 // ((1 << depth) - 1))
        add(f"png_gray_{depth}", png(packed(few, depth), 0, depth), levels)
        add(f"png_palette_{depth}", png(packed(few, depth), 3, depth), palette[few])
    for name, image, color in (("rgb", noise, 2), ("rgba", rgba, 6), ("gray", gray, 0)):
        right = image[..., :3] if image.ndim == 3 else image
        add(f"png_interlaced_{name}", png(image, color, adam7=True), right)
    for orientation in range(1, 9):
        data = pillow(noise, "PNG", exif=exif(orientation))
        add(f"png_exif_{orientation}", data, by_pillow(data))


# --- BMP


def bmp(
    depth: int,
    data: bytes,
    *,
    packing: int = 0,
    extra: bytes = b"",
    size: int = 40,
    down: bool = False,
) -> bytes:
    height = -SIDE if down else SIDE
    info = struct.pack("<IiiHHIIiiII", size, SIDE, height, 1, depth, packing, len(data), 1, 1, 0, 0)
    head = (info + extra).ljust(size, b"\0")
    offset = 14 + len(head)
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + head + data


def bmps() -> None:
    bgr, bgrx = noise[..., ::-1], np.dstack([noise[..., ::-1], alpha])
    colors = np.dstack([palette[None, :, ::-1], np.zeros((1, 256, 1), np.uint8)]).tobytes()
    masks = struct.pack("<3I", 0xFF0000, 0xFF00, 0xFF)
    add("bmp_24", bmp(24, bgr[::-1].tobytes()), noise)
    add("bmp_24_top_down", bmp(24, bgr.tobytes(), down=True), noise)
    add("bmp_24_v4", bmp(24, bgr[::-1].tobytes(), size=108), noise)
    add("bmp_32", bmp(32, bgrx[::-1].tobytes()), noise)
    add("bmp_32_top_down", bmp(32, bgrx.tobytes(), down=True), noise)
    add("bmp_32_masks", bmp(32, bgrx[::-1].tobytes(), packing=3, extra=masks), noise)
    add("bmp_32_v5", bmp(32, bgrx[::-1].tobytes(), packing=3, extra=masks, size=124), noise)
    add("bmp_8", bmp(8, gray[::-1].tobytes(), extra=colors), palette[gray])
    add("bmp_8_top_down", bmp(8, gray.tobytes(), extra=colors, down=True), palette[gray])
    for depth in (1, 4):
        few = gray >> (8 - depth)
        data = bmp(depth, packed(few, depth)[::-1].tobytes(), extra=colors[: 4 << depth])
        add(f"bmp_{depth}", data, palette[few])
    runs = b"".join(b"".join(bytes([1, v]) for v in row) + b"\0\0" for row in gray[::-1].tolist())
    add("bmp_rle8", bmp(8, runs + b"\0\1", packing=1, extra=colors), palette[gray])
    literal = b"".join(bytes([0, SIDE]) + row.tobytes() + b"\0\0" for row in gray[::-1])
    add("bmp_rle8_literal", bmp(8, literal + b"\0\1", packing=1, extra=colors), palette[gray])
    core = b"BM" + struct.pack("<IHHI", 26 + noise.size, 0, 0, 26)
    core += struct.pack("<IHHHH", 12, SIDE, SIDE, 1, 24) + bgr[::-1].tobytes()
    add("bmp_os2", core, noise)

    swapped = struct.pack("<3I", 0xFF, 0xFF00, 0xFF0000)
    add("bmp_32_odd_masks", bmp(32, bgrx[::-1].tobytes(), packing=3, extra=swapped), None)
    add("bmp_rle4", bmp(4, b"\0\1" * 8, packing=2, extra=colors[:64]), None)
    add("bmp_rle8_top_down", bmp(8, runs + b"\0\1", packing=1, extra=colors, down=True), None)
    add("bmp_16", bmp(16, gray16.tobytes()), None)
    add("bmp_16_masks", bmp(16, gray16.tobytes(), packing=3, extra=masks), None)
    add("bmp_with_jpeg", bmp(0, pillow(smooth, "JPEG"), packing=4), None)


# --- TIFF


def tiff(
    image: Pixels, photometric: str, *, big: bool = False, order: Any = "<", **options: Any
) -> bytes:
    out = io.BytesIO()
    with tifffile.TiffWriter(out, bigtiff=big, byteorder=order) as writer:
        writer.write(image, photometric=photometric, metadata=None, **options)
    return out.getvalue()


def layouts() -> dict[str, dict[str, Any]]:
    return {
        "one_strip": {},
        "strips": {"rowsperstrip": 7},
        "tiles": {"tile": (16, 16)},
        "tile_beyond_image": {"tile": (48, 48)},
        "big_endian": {"order": ">", "rowsperstrip": 5},
        "bigtiff": {"big": True},
        "bigtiff_big_endian_tiles": {"big": True, "order": ">", "tile": (16, 16)},
        "deflate": {"compression": "zlib"},
        "deflate_tiles": {"compression": "zlib", "tile": (16, 16)},
        "predictor": {"compression": "zlib", "predictor": 2, "rowsperstrip": 7},
        "predictor_tiles": {"compression": "zlib", "predictor": 2, "tile": (16, 16)},
    }


def tiffs() -> None:
    map16 = palette.T.astype(np.uint16) * 257
    ink = Image.frombytes("CMYK", (SIDE, SIDE), cmyk.tobytes())
    for name, how in layouts().items():
        add(f"tiff_rgb_{name}", tiff(noise, "rgb", **how), noise)
        add(f"tiff_rgba_{name}", tiff(rgba, "rgb", extrasamples=[2], **how), noise)
        add(f"tiff_rgb_16_{name}", tiff(rgb16, "rgb", **how), to_8_bit(rgb16))
        add(f"tiff_gray_{name}", tiff(gray, "minisblack", **how), gray)
        add(f"tiff_gray_16_{name}", tiff(gray16, "minisblack", **how), to_8_bit(gray16))
        right = None if "tile" in how else 255 - gray
        add(f"tiff_white_is_zero_{name}", tiff(gray, "miniswhite", **how), right)
        if "predictor" not in how:
            data = tiff(gray, "palette", colormap=map16, **how)
            add(f"tiff_palette_{name}", data, palette[gray])
        add(f"tiff_cmyk_{name}", tiff(cmyk, "separated", **how), by_pillow(pillow(ink, "TIFF")), 1)
    for kind, name in enumerate(("unspecified", "associated", "unassociated")):
        for value in (0, 255):
            opaque = np.dstack([noise, np.full_like(alpha, value)])
            add(f"tiff_{name}_alpha_{value}", tiff(opaque, "rgb", extrasamples=[kind]), noise)
    five = np.dstack([rgba, alpha])
    add("tiff_rgb_two_extra", tiff(five, "rgb", extrasamples=[0, 0]), noise)
    pages = io.BytesIO()
    with tifffile.TiffWriter(pages) as writer:
        writer.write(noise, photometric="rgb", metadata=None)
        writer.write(smooth, photometric="rgb", metadata=None)
    add("tiff_first_of_two_pages", pages.getvalue(), noise)
    for orientation in range(1, 9):
        data = tiff(noise, "rgb", extratags=[(274, "H", 1, orientation, True)])
        add(f"tiff_orientation_{orientation}", data, by_pillow(data))


def compressed_tiffs() -> None:
    ink = Image.frombytes("CMYK", (SIDE, SIDE), cmyk.tobytes())
    for name in ("tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "packbits", "zstd"):
        for rows in (7, SIDE):
            for image in (noise, rgba, gray):
                kind = {(3,): "rgb", (4,): "rgba", (): "gray"}[image.shape[2:]]
                data = pillow(image, "TIFF", compression=name, tiffinfo={278: rows})
                right = image[..., :3] if image.ndim == 3 else image
                add(f"tiff_{name}_{kind}_{rows}_rows", data, right)
    data = pillow(noise, "TIFF", compression="tiff_lzw", tiffinfo={317: 2})
    add("tiff_lzw_predictor", data, noise)
    images = {"rgb": Image.fromarray(smooth), "gray": Image.fromarray(smooth[..., 0]), "cmyk": ink}
    images["ycbcr"] = images["rgb"].convert("YCbCr")
    for name, picture in images.items():
        for rows in (8, SIDE):
            data = pillow(picture, "TIFF", compression="jpeg", quality=92, tiffinfo={278: rows})
            add(f"tiff_jpeg_{name}_{rows}_rows", data, by_pillow(data), tolerance=4)


def wrong_tiffs() -> None:
    planes = np.moveaxis(noise, -1, 0)
    add("tiff_planes", tiff(planes, "rgb", planarconfig="separate"), None)
    add("tiff_plane_tiles", tiff(planes, "rgb", planarconfig="separate", tile=(16, 16)), None)
    planes = np.moveaxis(rgba, -1, 0)
    data = tiff(planes, "rgb", planarconfig="separate", extrasamples=[2])
    add("tiff_planes_rgba", data, None)
    veiled = np.dstack([gray, alpha])
    add("tiff_gray_alpha", tiff(veiled, "minisblack", extrasamples=[2]), None)
    add("tiff_white_is_zero_16", tiff(gray16, "miniswhite"), None)
    add("tiff_bilevel", tiff(bits, "minisblack"), None)
    add("tiff_fax", pillow(bits, "TIFF", compression="group4"), None)
    add("tiff_rgb_32", tiff(rgb16.astype(np.uint32), "rgb"), None)
    add("tiff_signed", tiff(noise.view(np.int8), "rgb"), None)
    # What is white in a float image is for its maker to know.
    add("tiff_float", tiff((noise / 255).astype(np.float32), "rgb"), None)
    add("tiff_lab", pillow(Image.fromarray(smooth).convert("LAB"), "TIFF"), None)
    add("tiff_ycbcr_plain", pillow(Image.fromarray(smooth).convert("YCbCr"), "TIFF"), None)
    add("tiff_lzma", pillow(noise, "TIFF", compression="lzma"), None)


for build in (jpegs, pngs, bmps, tiffs, compressed_tiffs, wrong_tiffs):
    build()
for other in ("GIF", "WEBP", "JPEG2000"):
    add(other.lower(), pillow(smooth, other), None)

RIGHT = [name for name, variant in VARIANTS.items() if variant.right is not None]
UNSUPPORTED = [name for name in VARIANTS if name not in RIGHT]


def decoder(batch_size: int, threads: int) -> Callable[[list[str]], Pixels]:
    """DALI's graph as production runs it, but for its resizing, which is set to do nothing."""
    from bloodcell.engine.decode import build_graph
    from bloodcell.engine.preprocessing import Preprocessing

    same = Preprocessing(SIDE, 1.0, "linear", False, (0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255))
    pipeline = build_graph(same, batch_size=batch_size, threads=threads)

    def decode(names: list[str]) -> Pixels:
        encoded = [np.frombuffer(VARIANTS[name].data, np.uint8) for name in names]
        pipeline.feed_input("encoded", encoded)
        return np.array(pipeline.run()[0].as_tensor()).transpose(0, 2, 3, 1)

    return decode


@pytest.fixture(scope="module")
def decode_one() -> Callable[[list[str]], Pixels]:
    return decoder(1, 1)


@pytest.mark.parametrize("name", RIGHT)
def test_what_passes_is_decoded_right(name: str, decode_one: Callable[[list[str]], Pixels]) -> None:
    variant = VARIANTS[name]
    header = _core.inspect(variant.data)
    assert (header.reason, header.width, header.height) == ("", SIDE, SIDE)
    assert variant.right is not None
    difference = np.abs(decode_one([name])[0] - variant.right)
    assert difference.max() <= variant.tolerance + 0.01


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_would_decode_wrong_is_unsupported(name: str) -> None:
    assert _core.inspect(VARIANTS[name].data).reason == "unsupported"


def test_the_formats_do_not_disturb_each_other_in_a_batch() -> None:
    pixels = decoder(len(RIGHT), 2)(RIGHT)
    for name, image in zip(RIGHT, pixels, strict=True):
        variant = VARIANTS[name]
        assert variant.right is not None
        assert np.abs(image - variant.right).max() <= variant.tolerance + 0.01, name
