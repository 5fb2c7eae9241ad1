"""Draws one cell: a stained slide with red cells, and one cell of a class in the middle."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from bloodcell.errors import InputError
from bloodcell.phantom import fields
from bloodcell.phantom.fields import GRAIN_MAX, LARGEST_PX, STAMP_PX, FloatMap, noise
from bloodcell.phantom.looks import LOOKS, Colour, Granules, Look
from bloodcell.phantom.shapes import OUTLINES, disc

SMALLEST_PX = 240
"""Shortest side that a whole cell fits into, in pixels."""

_SLIDES: tuple[tuple[Colour, Colour], ...] = (
    ((255, 245, 228), (203, 166, 156)),
    ((253, 228, 204), (168, 108, 124)),
    ((250, 247, 240), (150, 138, 156)),
)
"""Colour of the empty slide and of a red cell, from laboratory to laboratory."""
_EMPTY = 8
"""Optical density, that is drawn in the colour of the empty slide."""


@dataclass(frozen=True)
class Stain:
    """The colours of one slide, on a scale of 0 to 255."""

    slide: npt.NDArray[np.float32]
    """Float32 (3,)."""
    red_cell: npt.NDArray[np.float32]
    """Float32 (3,)."""
    strength: float
    """Of the stain of nucleus and cytoplasm; above 1 is darker."""


def draw_stain(rng: np.random.Generator) -> Stain:
    """Draw the colours of a slide: between three laboratories, closest to one of them."""
    shares = rng.dirichlet([0.4] * len(_SLIDES))
    slide, red_cell = np.tensordot(shares, np.array(_SLIDES, np.float64), 1).astype(np.float32)
    return Stain(slide, red_cell, rng.uniform(0.9, 1.1))


def draw_cell(
    cell_class: str, rng: np.random.Generator, size: tuple[int, int], stain: Stain | None = None
) -> npt.NDArray[np.uint8]:
    """Draw one cell.

    Args:
        cell_class: One of ``looks.CLASSES``.
        rng: The drawing is a function of its state and of the other arguments.
        size: Width and height in pixels, each from 240 to 416.
        stain: Colours of the slide; drawn when not given.

    Returns:
        RGB pixels, uint8 (height, width, 3).

    Raises:
        InputError: The class is unknown or the size cannot be drawn.
    """
    if cell_class not in LOOKS:
        raise InputError(f"No drawing for class {cell_class!r}; known: {', '.join(LOOKS)}")
    if not all(SMALLEST_PX <= side <= LARGEST_PX for side in size):
        raise InputError(
            f"Cannot draw {size[0]} x {size[1]} pixels; sides go from {SMALLEST_PX} to {LARGEST_PX}"
        )
    stain = _vary(draw_stain(rng) if stain is None else stain, rng)
    slide = _draw_slide(rng, size, stain)
    _draw_white_cell(slide, LOOKS[cell_class], rng, stain)
    top, left = rng.integers(0, fields.PERIOD_PX, 2)
    # Modulo 256: the drawing keeps GRAIN_MAX away from 0 and 255, so nothing wraps around.
    slide += fields.grain()[top : top + size[1], left : left + size[0]]
    return slide


def _vary(stain: Stain, rng: np.random.Generator) -> Stain:
    tint = rng.normal(1.0, 0.012, (2, 3)).astype(np.float32)
    strength = stain.strength * rng.normal(1.0, 0.05)
    return Stain(np.minimum(stain.slide * tint[0], 255), stain.red_cell * tint[1], strength)


def _draw_slide(
    rng: np.random.Generator, size: tuple[int, int], stain: Stain
) -> npt.NDArray[np.uint8]:
    """Lay red cells on a grid with gaps and jitter; where two overlap, densities add up."""
    width, height = size
    density = np.zeros((height + 2 * STAMP_PX, width + 2 * STAMP_PX), np.uint8)
    # Mean 8, deviation 1.2: over six deviations above 0, so uint8 does not wrap.
    unevenness = np.float32(1.2) * noise(rng, (height, width), 30.0)
    density[STAMP_PX:-STAMP_PX, STAMP_PX:-STAMP_PX] = unevenness + np.float32(_EMPTY)
    pitch = rng.uniform(78, 100)
    stamps = fields.red_cells()
    for top in np.arange(rng.uniform(0, pitch), height + STAMP_PX, pitch):
        for left in np.arange(rng.uniform(0, pitch), width + STAMP_PX, pitch):
            if rng.random() < 0.66:
                y, x = top + rng.normal(0.0, 12.0), left + rng.normal(0.0, 12.0)
                stamp = stamps[rng.integers(fields.STAMPS)]
                there = density[max(int(y), 0) :, max(int(x), 0) :][:STAMP_PX, :STAMP_PX]
                there += stamp[: there.shape[0], : there.shape[1]]
    shown = density[STAMP_PX:-STAMP_PX, STAMP_PX:-STAMP_PX]
    image = Image.fromarray(np.ascontiguousarray(shown), "L")
    # Pillow's palette is several times as fast as indexing with an array of pixels.
    image.putpalette(_colour_table(stain).tobytes())
    return np.array(image.convert("RGB"))


def _colour_table(stain: Stain) -> npt.NDArray[np.uint8]:
    """Return the colour at each optical density, uint8 (256, 3): light falls off exponentially."""
    share = (np.arange(256, dtype=np.float32)[:, None] - _EMPTY) / fields.RED_CELL_DENSITY
    colours = stain.slide * (stain.red_cell / stain.slide) ** np.minimum(share, 1.7)
    return np.clip(colours, GRAIN_MAX, 255 - GRAIN_MAX).astype(np.uint8)


def _draw_white_cell(
    slide: npt.NDArray[np.uint8], look: Look, rng: np.random.Generator, stain: Stain
) -> None:
    """Draw into the window of ``slide`` that holds the cell."""
    zoom = float(np.clip(rng.normal(1.0, 0.06), 0.85, 1.12))
    half = min(int(look.cell_px * zoom * 1.3 + look.blur_px / 2) + 14, min(slide.shape[:2]) // 2)
    centre_y, centre_x = (
        int(np.clip(side / 2 + rng.normal(0.0, 6.0), half, side - half)) for side in slide.shape[:2]
    )
    window = slide[centre_y - half : centre_y + half, centre_x - half : centre_x + half]
    planes = window.transpose(2, 0, 1).astype(np.float32, order="C")
    along, across = _axes(rng, half)
    cell = _cell_outline(look, along, across, zoom, rng)
    nucleus = _nucleus_outline(look, along, across, zoom, rng)
    _paint_cytoplasm(planes, look, (cell, nucleus), stain, rng)
    if look.granules is not None and not look.granules.over_nucleus:
        _paint_granules(planes, look.granules, cell, rng)
    if nucleus is not None:
        _paint_nucleus(planes, look, nucleus, stain, rng)
    if look.granules is not None and look.granules.over_nucleus:
        _paint_granules(planes, look.granules, cell, rng)
    np.clip(planes, GRAIN_MAX, 255 - GRAIN_MAX, out=planes)
    window[:] = planes.transpose(1, 2, 0)


def _axes(rng: np.random.Generator, half: int) -> tuple[FloatMap, FloatMap]:
    """Return rotated coordinates in pixels from the centre, each (2 * half, 2 * half)."""
    axis = np.arange(-half, half, dtype=np.float32) + np.float32(0.5)
    return _rotated(axis, axis[:, None], rng.uniform(0.0, 2.0 * np.pi))


def _rotated(x: FloatMap, y: FloatMap, angle: float) -> tuple[FloatMap, FloatMap]:
    """Return coordinates along and across an axis that is turned by ``angle`` radians."""
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cosine * x + sine * y, cosine * y - sine * x


def _cell_outline(
    look: Look, along: FloatMap, across: FloatMap, zoom: float, rng: np.random.Generator
) -> FloatMap:
    distance = OUTLINES[look.cell_outline](along, across, look.cell_px * zoom, rng)
    return distance + np.float32(look.ragged_px) * noise(rng, distance.shape, 12.0)


def _nucleus_outline(
    look: Look, along: FloatMap, across: FloatMap, zoom: float, rng: np.random.Generator
) -> FloatMap | None:
    if look.nucleus_px == 0.0:
        return None
    radius = look.nucleus_px * zoom * rng.uniform(0.95, 1.04)
    shift = np.float32(look.off_centre * max(look.cell_px * zoom - radius, 0.0))
    turned = _rotated(along - shift, across, rng.uniform(0.0, 2.0 * np.pi))
    distance = OUTLINES[look.outline](*turned, radius, rng)
    return distance + np.float32(1.6) * noise(rng, distance.shape, 9.0)


def _cover(distance: FloatMap, blur_px: float) -> FloatMap:
    """Return 1 inside, 0 outside, and a slope of ``blur_px`` pixels between."""
    return np.asarray(np.clip(0.5 - distance / np.float32(blur_px), 0.0, 1.0), np.float32)


def _blend(planes: FloatMap, cover: FloatMap, colour: Colour, shade: FloatMap) -> None:
    """Lay ``colour`` times ``shade`` over ``planes`` (3, height, width), in place."""
    for channel, value in enumerate(colour):
        step = np.float32(value) * shade
        step -= planes[channel]
        step *= cover
        planes[channel] += step


def _paint_cytoplasm(
    planes: FloatMap,
    look: Look,
    outlines: tuple[FloatMap, FloatMap | None],
    stain: Stain,
    rng: np.random.Generator,
) -> None:
    cell, nucleus = outlines
    cover = np.float32(look.opacity) * _cover(cell, look.blur_px)
    shade = np.float32(1.0 / stain.strength) + np.float32(0.035) * noise(rng, cell.shape, 3.0)
    if look.edge:
        shade -= np.float32(look.edge) * np.clip(1.0 + cell / 14.0, 0.0, 1.0)
    if look.halo and nucleus is not None:
        shade += np.float32(look.halo) * np.clip(1.0 - nucleus / 16.0, 0.0, 1.0)
    if look.cell_outline == "fan":
        # Strands along one axis of the image: the direction in which the nucleus was smeared.
        strands = noise(rng, cell.shape, 1.5, 20.0)
        strands = strands if rng.random() < 0.5 else strands.T
        cover *= np.clip(np.float32(0.8) + np.float32(0.22) * strands, 0.0, 1.0)
    _blend(planes, cover, look.cell_colour, shade)


def _paint_granules(
    planes: FloatMap, granules: Granules, cell: FloatMap, rng: np.random.Generator
) -> None:
    height = noise(rng, cell.shape, granules.size_px) - np.float32(granules.threshold)
    cover = np.clip(np.float32(2.2) * height, 0.0, 0.85) * _cover(cell + 3.0, 4.0)
    _blend(planes, cover, granules.colour, np.ones_like(cover))


def _paint_nucleus(
    planes: FloatMap, look: Look, nucleus: FloatMap, stain: Stain, rng: np.random.Generator
) -> None:
    shade = np.float32(1.0 / stain.strength) + np.float32(look.chromatin) * noise(
        rng, nucleus.shape, look.clumps_px
    )
    shade -= np.float32(0.12) * np.clip(1.0 + nucleus / 5.0, 0.0, 1.0)
    for _ in range(look.nucleoli):
        y, x = nucleus.shape[0] / 2 + rng.normal(0.0, 0.3 * look.nucleus_px, 2)
        rows = np.arange(nucleus.shape[0], dtype=np.float32)[:, None] - np.float32(y)
        columns = np.arange(nucleus.shape[1], dtype=np.float32) - np.float32(x)
        shade += np.float32(0.16) * _cover(disc(columns, rows, rng.uniform(6.0, 10.0)), 6.0)
    _blend(planes, _cover(nucleus, look.blur_px), look.nucleus_colour, shade)
