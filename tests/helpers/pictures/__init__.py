"""One picture of every kind that a viewer opens, each with the pixels that it shows."""

from helpers.pictures.bmp import bmps
from helpers.pictures.jpeg import jpegs
from helpers.pictures.png import pngs
from helpers.pictures.table import (
    DALI,
    PILLOW,
    SIDE,
    Decode,
    Picture,
    Pixels,
    decoder,
    gated,
)
from helpers.pictures.tiff import tiffs
from helpers.pictures.tiff_odd import odd_tiffs

PICTURES: dict[str, Picture] = {
    f"{fmt.lower()}_{name}": picture
    for fmt, table in (
        ("JPEG", jpegs()),
        ("PNG", pngs()),
        ("BMP", bmps()),
        ("TIFF", tiffs()),
        ("TIFF", odd_tiffs()),
    )
    for name, picture in table.items()
}
"""By format and name; the name's first word is the format in small letters."""

__all__ = ["DALI", "PICTURES", "PILLOW", "SIDE", "Decode", "Picture", "Pixels", "decoder", "gated"]
