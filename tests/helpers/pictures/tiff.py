"""TIFFs that DALI decodes."""

import io
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from helpers.pictures.table import (
    SIDE,
    Pixels,
    Table,
    alpha,
    by_pillow,
    cmyk,
    gray,
    gray16,
    ink,
    noise,
    palette,
    pillow,
    rgb16,
    rgba,
    smooth,
    to_8_bit,
)

MAP16 = palette.T.astype(np.uint16) * 257
BIG_ENDIAN_BIG_TIFF = "bigtiff_big_endian_tiles"
"""The one layout that Pillow does not know."""
LAYOUTS: dict[str, dict[str, Any]] = {
    "one_strip": {},
    "strips": {"rowsperstrip": 7},
    "tiles": {"tile": (16, 16)},
    "tile_beyond_image": {"tile": (48, 48)},
    "big_endian": {"order": ">", "rowsperstrip": 5},
    "bigtiff": {"big": True},
    BIG_ENDIAN_BIG_TIFF: {"big": True, "order": ">", "tile": (16, 16)},
    "deflate": {"compression": "zlib"},
    "deflate_tiles": {"compression": "zlib", "tile": (16, 16)},
    "predictor": {"compression": "zlib", "predictor": 2, "rowsperstrip": 7},
    "predictor_tiles": {"compression": "zlib", "predictor": 2, "tile": (16, 16)},
}


def tiff(
    image: Pixels, photometric: str, *, big: bool = False, order: Any = "<", **options: Any
) -> bytes:
    """Encode with tifffile."""
    out = io.BytesIO()
    with tifffile.TiffWriter(out, bigtiff=big, byteorder=order) as writer:
        writer.write(image, photometric=photometric, metadata=None, **options)
    return out.getvalue()


def tiff_pages(*pages: tuple[Pixels, dict[str, Any]]) -> bytes:
    """Encode several pages, each with its options."""
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        for image, options in pages:
            photometric = "rgb" if image.ndim == 3 else "minisblack"
            writer.write(image, photometric=photometric, metadata=None, **options)
    return out.getvalue()


def tiffs() -> Table:
    """All are scored."""
    table = Table("TIFF")
    table.kind("RGB, gray, CMYK or a palette, of 8 bits, in strips or tiles, also as BigTIFF")
    by_ink = by_pillow(pillow(ink, "TIFF"))
    for name, how in LAYOUTS.items():
        table.add(f"rgb_{name}", tiff(noise, "rgb", **how), noise)
        table.add(f"gray_{name}", tiff(gray, "minisblack", **how), gray)
        if "tile" not in how:
            table.add(f"white_is_zero_{name}", tiff(gray, "miniswhite", **how), 255 - gray)
        if "predictor" not in how:
            data = tiff(gray, "palette", colormap=MAP16, **how)
            table.add(f"palette_{name}", data, palette[gray])
        table.add(f"cmyk_{name}", tiff(cmyk, "separated", **how), by_ink, 1)
    table.kind("RGB or gray of 16 bits: 65535 is white")
    for name, how in LAYOUTS.items():
        table.add(f"rgb_16_{name}", tiff(rgb16, "rgb", **how), to_8_bit(rgb16))
        table.add(f"gray_16_{name}", tiff(gray16, "minisblack", **how), to_8_bit(gray16))
    _alpha(table)
    _packed(table)
    table.kind("orientation")
    for orientation in range(1, 9):
        data = tiff(noise, "rgb", extratags=[(274, "H", 1, orientation, True)])
        table.add(f"orientation_{orientation}", data, by_pillow(data))
    table.kind("several pages in colour, or smaller copies behind the first: the first")
    table.add("first_of_two_pages", tiff_pages((noise, {}), (smooth, {})), noise)
    smaller = {"subfiletype": 1}
    table.add("with_a_smaller_copy", tiff_pages((noise, {}), (noise[::2, ::2], smaller)), noise)
    table.add("gray_with_a_smaller_copy", tiff_pages((gray, {}), (gray[:16], smaller)), gray)
    return table


def _alpha(table: Table) -> None:
    table.kind("unassociated alpha, or samples of no stated meaning: dropped")
    for name, how in LAYOUTS.items():
        table.add(f"rgba_{name}", tiff(rgba, "rgb", extrasamples=[2], **how), noise)
    for kind, name in ((0, "unspecified"), (2, "unassociated")):
        for value in (0, 255):
            veiled = np.dstack([noise, np.full_like(alpha, value)])
            table.add(f"{name}_alpha_{value}", tiff(veiled, "rgb", extrasamples=[kind]), noise)
    five = np.dstack([rgba, alpha])
    table.add("rgb_two_extra", tiff(five, "rgb", extrasamples=[0, 0]), noise)


def _packed(table: Table) -> None:
    table.kind("packed by LZW, deflate, PackBits, Zstandard or JPEG")
    for name in ("tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "packbits", "zstd"):
        for rows in (7, SIDE):
            for image in (noise, rgba, gray):
                kind = {(3,): "rgb", (4,): "rgba", (): "gray"}[image.shape[2:]]
                data = pillow(image, "TIFF", compression=name, tiffinfo={278: rows})
                right = image[..., :3] if image.ndim == 3 else image
                table.add(f"{name}_{kind}_{rows}_rows", data, right)
    data = pillow(noise, "TIFF", compression="tiff_lzw", tiffinfo={317: 2})
    table.add("lzw_predictor", data, noise)
    images = {"rgb": Image.fromarray(smooth), "gray": Image.fromarray(smooth[..., 0]), "cmyk": ink}
    images["ycbcr"] = images["rgb"].convert("YCbCr")
    for name, picture in images.items():
        for rows in (8, SIDE):
            data = pillow(picture, "TIFF", compression="jpeg", quality=92, tiffinfo={278: rows})
            table.add(f"jpeg_{name}_{rows}_rows", data, by_pillow(data), tolerance=4)
