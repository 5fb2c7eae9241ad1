"""`bloodcell merge`: finished runs of different cells become the run of all these cells."""

from bloodcell.merging.writing import merge

__all__ = ["merge"]
