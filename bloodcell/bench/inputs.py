"""What is measured on: real images or drawn ones, repeated under other names to any number."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from bloodcell.errors import InputError
from bloodcell.input.manifest import freeze_manifest, root_of
from bloodcell.phantom import CLASSES, draw_cell, encode
from bloodcell.phantom.encode import suffix

_DRAWN_PX = 360
_FILES_PER_FOLDER = 1000
_ROWS_PER_GROUP = 1 << 16


@dataclass(frozen=True)
class Drawn:
    """Phantoms to draw: equal bytes at every call, `distinct` of them, each class in turn."""

    image_format: str = "jpeg"
    """jpeg, png, or tiff (uncompressed RGBA, as the scanner of the LMU writes it)."""
    side_px: int = _DRAWN_PX
    """Sides of the square images; other than 360 are those of 360 px, resized."""
    distinct: int = 180


def repeated_input(
    source: Path | None, cells: int, folder: Path, *, patients: int = 10, drawn: Drawn | None = None
) -> Path:
    """Write a manifest (Parquet: ``path``, ``patient``) of ``cells`` rows into ``folder``.

    The images are those of ``source``, a folder or manifest, or ``drawn`` phantoms where it is
    None; each is one file that the rows name again and again by hard links, or by symbolic ones
    where hard links are not possible. ``patients`` have equal shares of the rows, in turn.
    Raises InputError if ``source`` is no input, OSError if the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    images = (
        draw_images(folder / "drawn", drawn or Drawn(), most=cells)
        if source is None
        else listed_images(source, folder)
    )
    paths = [_repeat(images[row % len(images)], row, folder) for row in range(cells)]
    names = [f"patient-{place:06d}" for place in range(patients)]
    places = np.arange(cells) * patients // cells
    manifest = folder / "manifest.parquet"
    table = pa.table({"path": paths, "patient": pa.array(names).take(pa.array(places))})
    pq.write_table(table, manifest, row_group_size=_ROWS_PER_GROUP)
    return manifest


def listed_images(source: Path, scratch: Path) -> list[str]:
    """Absolute paths of the images that ``source`` lists, without links on the way."""
    frozen = scratch / "listed.parquet"
    freeze_manifest(source, frozen, _ROWS_PER_GROUP)
    table = pq.read_table(frozen)
    frozen.unlink()
    if "shard" in table.column_names:
        raise InputError(
            f"{source} holds tar shards, whose images are no files that could be repeated: name a "
            "folder or a manifest of image files"
        )
    root, paths = root_of(source), table["path"].to_pylist()
    # A hard link to a link would point elsewhere.
    return [os.path.realpath(root / path) for path in paths]


def draw_images(folder: Path, drawn: Drawn, most: int) -> list[str]:
    """Draw phantoms into ``folder``, no more than ``most``; their absolute paths."""
    folder.mkdir(parents=True)
    variant = {"tiff": "tiff_rgba"}.get(drawn.image_format, drawn.image_format)
    paths = []
    for number in range(min(drawn.distinct, most)):
        rng = np.random.default_rng([1, number])
        pixels = draw_cell(CLASSES[number % len(CLASSES)], rng, (_DRAWN_PX, _DRAWN_PX))
        if drawn.side_px != _DRAWN_PX:
            size = (drawn.side_px, drawn.side_px)
            pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
        path = folder / f"{number}{suffix(variant)}"
        path.write_bytes(encode(pixels, variant))
        paths.append(str(path.resolve()))
    return paths


def _repeat(image: str, row: int, folder: Path) -> str:
    """Give ``image`` one more name; returns it relative to ``folder``."""
    parent = f"links/{row // _FILES_PER_FOLDER}"
    if row % _FILES_PER_FOLDER == 0:
        (folder / parent).mkdir(parents=True)
    name = f"{parent}/{row}{Path(image).suffix}"
    try:
        os.link(image, folder / name)
    except OSError:
        # Another device, or as many links to this file as the file system allows. Where the disk
        # is full this fails too, and says so.
        (folder / name).symlink_to(image)
    return name
