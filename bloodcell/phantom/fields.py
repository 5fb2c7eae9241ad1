"""What all drawings share: tileable noise and red-cell stamps, computed once a process."""

import functools
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FloatMap: TypeAlias = npt.NDArray[np.float32]

LARGEST_PX = 416
"""Longest side that can be drawn, in pixels."""
STAMP_PX = 104
"""Side of a red-cell stamp, in pixels."""
STAMPS = 48
RED_CELL_DENSITY = 56
"""Optical density at the rim of a red cell, in arbitrary units."""
PERIOD_PX = 512
"""Noise fields repeat after so many pixels."""
GRAIN_MAX = 8
"""Largest step that camera noise makes, of 255."""
_SHARED_SEED = 20190213
"""Seeds what is shared; drawings differ by where they look into it, by their own seed."""


@functools.cache
def noise_field(sigma_y: float, sigma_x: float) -> FloatMap:
    """Gaussian noise smoothed by ``sigma`` pixels; mean 0, standard deviation 1.

    Shape (928, 928): one period of 512 pixels and a margin, so that a window of up to
    ``LARGEST_PX`` can start anywhere in the period.
    """
    rng = np.random.default_rng([_SHARED_SEED, round(16 * sigma_y), round(16 * sigma_x)])
    spectrum = np.fft.rfft2(rng.standard_normal((PERIOD_PX, PERIOD_PX)))
    damp_y = np.exp(-2.0 * (np.pi * sigma_y * np.fft.fftfreq(PERIOD_PX)) ** 2)
    damp_x = np.exp(-2.0 * (np.pi * sigma_x * np.fft.rfftfreq(PERIOD_PX)) ** 2)
    smooth = np.fft.irfft2(spectrum * damp_y[:, None] * damp_x, s=(PERIOD_PX, PERIOD_PX))
    smooth = (smooth - smooth.mean()) / smooth.std()
    return np.pad(smooth.astype(np.float32), (0, LARGEST_PX), mode="wrap")


def noise(
    rng: np.random.Generator, shape: tuple[int, int], sigma_y: float, sigma_x: float | None = None
) -> FloatMap:
    """Return a window (height, width) of the field at a place chosen by ``rng``; a view."""
    field = noise_field(sigma_y, sigma_y if sigma_x is None else sigma_x)
    top, left = rng.integers(0, PERIOD_PX, 2)
    return field[top : top + shape[0], left : left + shape[1]]


@functools.cache
def grain() -> npt.NDArray[np.uint8]:
    """Return camera noise, to be added modulo 256; uint8 (928, 928, 3).

    Mostly brightness, a little colour, slightly blurred; from -GRAIN_MAX to GRAIN_MAX.
    """
    brightness = 0.75 * noise_field(0.7, 0.7)
    planes = [brightness + 0.25 * noise_field(1.0, 1.0 + channel) for channel in range(3)]
    rounded = np.rint(np.clip(np.stack(planes, axis=-1), -GRAIN_MAX, GRAIN_MAX))
    steps: npt.NDArray[np.uint8] = rounded.astype(np.int8).view(np.uint8)
    return steps


@functools.cache
def red_cells() -> npt.NDArray[np.uint8]:
    """Return optical densities of red cells; uint8 (STAMPS, STAMP_PX, STAMP_PX).

    None is above RED_CELL_DENSITY: a byte holds the sum of four that overlap.
    """
    rng = np.random.default_rng(_SHARED_SEED)
    return np.stack([_red_cell(rng) for _ in range(STAMPS)])


def _red_cell(rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    axis = np.arange(STAMP_PX, dtype=np.float32) - (STAMP_PX - 1) / 2
    radius, angle, squeeze = rng.uniform(33, 42), rng.uniform(0, np.pi), rng.uniform(1.0, 1.25)
    along = np.cos(angle) * axis + np.sin(angle) * axis[:, None]
    across = np.cos(angle) * axis[:, None] - np.sin(angle) * axis
    wobble = rng.uniform(0.4, 2.0) * noise(rng, (STAMP_PX, STAMP_PX), 12.0)
    outside = np.hypot(along, squeeze * across) - radius + wobble
    pallor = np.clip((-outside / radius - rng.uniform(0.45, 0.7)) / 0.3, 0.0, 1.0)
    rim = np.clip(1.0 + outside / 9.0, 0.0, 1.0)
    density = RED_CELL_DENSITY * (0.83 + 0.17 * rim - rng.uniform(0.16, 0.78) * pallor)
    stamp = np.rint(np.clip(0.5 - outside / 4.5, 0.0, 1.0) * density)
    return np.asarray(stamp, np.uint8)
