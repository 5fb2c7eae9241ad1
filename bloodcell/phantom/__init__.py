"""Drawn ("phantom") cells for demos, tests and load. They are never shown as real."""

from bloodcell.phantom.draw import draw_cell
from bloodcell.phantom.encode import VARIANTS, encode
from bloodcell.phantom.looks import CLASSES
from bloodcell.phantom.plan import FORMATS
from bloodcell.phantom.smears import PhantomSummary, write_phantoms

__all__ = [
    "CLASSES",
    "FORMATS",
    "VARIANTS",
    "PhantomSummary",
    "draw_cell",
    "encode",
    "write_phantoms",
]
