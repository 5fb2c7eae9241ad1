"""How each class is drawn: sizes, outlines and stain colours, schematic and made by eye."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

Colour: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True)
class Granules:
    """Stained grains in the cytoplasm."""

    colour: Colour
    size_px: float
    """Blur of the noise that the grains are cut from; their width is about twice that."""
    threshold: float
    """Grains lie where the noise is above so many standard deviations: lower is denser."""
    over_nucleus: bool = False


@dataclass(frozen=True)
class Look:
    """One class; lengths in pixels at 360 x 363, where a red cell is about 75 pixels wide."""

    cell_px: float
    """Radius of the cell."""
    cell_colour: Colour
    nucleus_px: float = 0.0
    """Radius of the nucleus; 0 draws none."""
    nucleus_colour: Colour = (95, 62, 152)
    outline: str = "round"
    """Name of the nucleus' outline in ``shapes.OUTLINES``."""
    cell_outline: str = "round"
    opacity: float = 0.9
    """Of the cytoplasm."""
    chromatin: float = 0.10
    """Contrast of the nucleus' texture."""
    clumps_px: float = 1.5
    """Blur of that texture: small is fine chromatin, large is clumped."""
    ragged_px: float = 2.0
    """Irregularity of the cell's outline."""
    off_centre: float = 0.4
    """Where the nucleus lies: 0 central, 1 touching the cell's edge."""
    nucleoli: int = 0
    edge: float = 0.0
    """How much darker the cytoplasm is at its edge."""
    halo: float = 0.0
    """How much paler the cytoplasm is around the nucleus."""
    blur_px: float = 2.2
    """Width of the outlines."""
    granules: Granules | None = None


_FINE_PINK = Granules((150, 95, 150), 1.0, 1.3)
_AZUROPHIL = Granules((126, 44, 120), 1.2, 1.15)

LOOKS: Mapping[str, Look] = {
    "band_neutrophils": Look(
        66, (222, 196, 208), 45, (84, 56, 140), "band", chromatin=0.14, clumps_px=3.0,
        off_centre=0.3, granules=_FINE_PINK,
    ),
    "basophil": Look(
        60, (186, 150, 190), 42, (92, 62, 140), "bilobed", chromatin=0.10, clumps_px=3.0,
        granules=Granules((56, 28, 86), 2.2, 0.55, over_nucleus=True),
    ),
    "blast_no_lineage_spec": Look(
        80, (132, 152, 212), 69, (122, 84, 178), "round", chromatin=0.07, clumps_px=1.0,
        ragged_px=3.0, off_centre=0.5, nucleoli=2, edge=0.18,
    ),
    "eosinophils": Look(
        66, (226, 190, 190), 38, (88, 58, 142), "bilobed", chromatin=0.12, clumps_px=3.0,
        off_centre=0.2, granules=Granules((206, 100, 84), 1.7, 0.1),
    ),
    "erythroblast": Look(
        40, (168, 150, 176), 23, (52, 34, 92), "round", chromatin=0.10, clumps_px=3.0,
    ),
    "giant_thrombocyte": Look(
        42, (196, 192, 224), cell_outline="oval", opacity=0.75, ragged_px=4.0, blur_px=7.0,
        granules=Granules((104, 62, 150), 1.6, 0.35),
    ),
    "lymphocyte": Look(
        50, (138, 164, 216), 42, (78, 50, 136), "round", chromatin=0.11, clumps_px=4.0,
        ragged_px=1.2, edge=0.08,
    ),
    "lymphocyte_variant": Look(
        82, (166, 186, 226), 50, (104, 70, 160), "oval", chromatin=0.12, clumps_px=3.0,
        ragged_px=8.0, off_centre=0.5, edge=0.28,
    ),
    "metamyelocyte": Look(
        70, (214, 192, 212), 47, (104, 68, 154), "kidney", chromatin=0.13, clumps_px=3.0,
        granules=_FINE_PINK,
    ),
    "monocyte": Look(
        88, (172, 176, 202), 56, (110, 76, 162), "kidney", chromatin=0.10, clumps_px=2.2,
        ragged_px=6.0, granules=Granules((140, 120, 170), 0.8, 1.6),
    ),
    "myelocyte": Look(
        72, (204, 184, 212), 46, (104, 68, 154), "oval", chromatin=0.12, clumps_px=2.2,
        off_centre=0.8, granules=Granules((140, 80, 145), 1.0, 1.0),
    ),
    "plasma_cells": Look(
        76, (92, 106, 182), 41, (78, 48, 132), "round", cell_outline="oval", chromatin=0.16,
        clumps_px=5.0, off_centre=0.9, halo=0.5,
    ),
    "prolymphocyte": Look(
        66, (160, 180, 224), 54, (104, 72, 160), "round", chromatin=0.12, clumps_px=3.0,
        nucleoli=1,
    ),
    "promonocyte": Look(
        92, (160, 168, 204), 68, (118, 80, 172), "kidney", chromatin=0.08, clumps_px=1.5,
        ragged_px=5.0, granules=Granules((128, 92, 160), 0.8, 1.7),
    ),
    "promyelocyte": Look(
        84, (158, 160, 212), 58, (116, 78, 168), "oval", chromatin=0.08, clumps_px=1.5,
        off_centre=0.9, nucleoli=1, granules=_AZUROPHIL,
    ),
    "segmented_neutrophils": Look(
        66, (226, 200, 208), 42, (78, 52, 134), "segmented", chromatin=0.13, clumps_px=3.0,
        off_centre=0.2, granules=_FINE_PINK,
    ),
    "smudge_cells": Look(
        86, (158, 122, 194), cell_outline="fan", opacity=0.8, ragged_px=11.0, blur_px=34.0,
    ),
    "thrombocyte_aggregation": Look(
        64, (190, 180, 218), cell_outline="cluster", opacity=0.85, ragged_px=2.5, blur_px=5.0,
        granules=Granules((92, 54, 142), 1.6, 0.25),
    ),
}  # fmt: skip

CLASSES: tuple[str, ...] = tuple(LOOKS)
"""The classes of the shipped network, in its order."""
