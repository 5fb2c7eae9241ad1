"""Outlines as signed distances in pixels: negative inside, positive outside.

Every function takes coordinate maps ``along`` and ``across``, float32 (height, width), in
pixels from the centre of the shape, and a radius in pixels.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from bloodcell.phantom.fields import FloatMap

Outline: TypeAlias = Callable[[FloatMap, FloatMap, float, np.random.Generator], FloatMap]


def disc(
    along: FloatMap, across: FloatMap, radius: float, centre: Sequence[float] = (0.0, 0.0)
) -> FloatMap:
    """Return the distance to a circle; ``centre``: where along and across it lies, in pixels."""
    along, across = along - np.float32(centre[0]), across - np.float32(centre[1])
    return np.sqrt(along * along + across * across) - np.float32(radius)


def _round(along: FloatMap, across: FloatMap, radius: float, rng: np.random.Generator) -> FloatMap:
    squeeze = np.float32(rng.uniform(1.0, 1.12))
    return disc(along, across * squeeze, radius)


def _oval(along: FloatMap, across: FloatMap, radius: float, rng: np.random.Generator) -> FloatMap:
    squeeze = np.float32(rng.uniform(1.15, 1.35))
    return disc(along / np.float32(1.1), across * squeeze, radius)


def _kidney(along: FloatMap, across: FloatMap, radius: float, rng: np.random.Generator) -> FloatMap:
    body = disc(along / np.float32(1.2), across * np.float32(1.1), radius)
    dent = disc(along, across, radius * rng.uniform(0.55, 0.75), (0.0, radius * 1.05))
    return np.maximum(body, -dent)


def _band(along: FloatMap, across: FloatMap, radius: float, rng: np.random.Generator) -> FloatMap:
    middle, half_width = radius * 0.78, radius * rng.uniform(0.28, 0.36)
    opening = rng.uniform(1.7, 2.3)
    across = np.abs(across)
    end = middle * np.cos(opening), middle * np.sin(opening)
    to_end = disc(along, across, half_width, end)
    to_ring = np.abs(disc(along, across, middle)) - np.float32(half_width)
    within = np.cos(opening) * across < np.sin(opening) * along
    return np.where(within, to_ring, to_end).astype(np.float32)


def _thread(
    along: FloatMap, across: FloatMap, start: Sequence[float], end: Sequence[float]
) -> FloatMap:
    thread_along, thread_across = np.float32(end[0] - start[0]), np.float32(end[1] - start[1])
    along, across = along - np.float32(start[0]), across - np.float32(start[1])
    share: FloatMap = along * thread_along + across * thread_across
    share /= thread_along * thread_along + thread_across * thread_across
    np.clip(share, 0.0, 1.0, out=share)
    return disc(along - share * thread_along, across - share * thread_across, 2.2)


def _lobed(
    along: FloatMap, across: FloatMap, radius: float, rng: np.random.Generator, lobes: int
) -> FloatMap:
    angles = np.arange(lobes) * (4.8 / lobes) + rng.normal(0.0, 0.12, lobes)
    reach = radius * rng.uniform(0.74, 0.9, lobes)
    centres = np.stack([reach * np.cos(angles), reach * np.sin(angles)], axis=-1).tolist()
    sizes = (radius * rng.uniform(0.46, 0.54, lobes) * (3.4 / (lobes + 0.4)) ** 0.5).tolist()
    parts = [disc(along, across, size, at) for at, size in zip(centres, sizes, strict=True)]
    parts += [_thread(along, across, start, end) for start, end in pairwise(centres)]
    distance: FloatMap = np.minimum.reduce(parts)
    return distance


def _segmented(
    along: FloatMap, across: FloatMap, radius: float, rng: np.random.Generator
) -> FloatMap:
    return _lobed(along, across, radius, rng, int(rng.integers(3, 5)))


def _cluster(
    along: FloatMap, across: FloatMap, radius: float, rng: np.random.Generator
) -> FloatMap:
    """Several small discs that touch: clumped platelets."""
    distance = disc(along, across, radius * 0.3)
    for centre in rng.normal(0.0, 0.42 * radius, (int(rng.integers(7, 12)), 2)):
        size = radius * rng.uniform(0.2, 0.34)
        distance = np.minimum(distance, disc(along, across, size, centre))
    return distance


def _fan(along: FloatMap, across: FloatMap, radius: float, rng: np.random.Generator) -> FloatMap:
    """Spread out to one side: a nucleus smeared over the slide."""
    spread = np.float32(rng.uniform(0.0, 0.7) / radius)
    return disc(along / np.float32(1.15), across / np.maximum(1.0 + spread * along, 0.3), radius)


OUTLINES: Mapping[str, Outline] = {
    "round": _round,
    "oval": _oval,
    "kidney": _kidney,
    "band": _band,
    "segmented": _segmented,
    "bilobed": partial(_lobed, lobes=2),
    "cluster": _cluster,
    "fan": _fan,
}
