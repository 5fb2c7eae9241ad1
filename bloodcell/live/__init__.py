"""Cells scored as they come, in this process and without files.

``engine`` is what users have; a cell passes ``images`` (what may be given), ``waiting`` (until a
lane is free), the engine's lanes, and ``results``. ``patients`` counts meanwhile.
"""

from bloodcell.live.cells import CellResult
from bloodcell.live.engine import Engine

__all__ = ["CellResult", "Engine"]
