"""How an image becomes the network's input: the one description there is."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Interpolation: TypeAlias = Literal["linear", "cubic", "triangular", "lanczos3"]


@dataclass(frozen=True)
class Preprocessing:
    """The pixels a network was trained on, as its model card states them.

    An image is decoded to 8-bit RGB, turned upright by its EXIF orientation, its central
    ``region`` is resized to ``input_px`` x ``input_px`` without keeping the aspect ratio, and
    each channel becomes ``(value / 255 - mean) / std``, float32, channels first.
    """

    input_px: int
    """Side of the network's square input, in pixels."""
    region: float
    """Share of each side that is kept around the centre; 1.0 keeps the whole image."""
    interpolation: Interpolation
    antialias: bool
    mean: tuple[float, float, float]
    """Per channel R, G, B, on a scale of 0 to 1."""
    std: tuple[float, float, float]
