"""Scores images of single blood cells for leukaemia blasts. Research use only.

``score`` runs a job, ``merge`` joins finished ones, ``open_run`` opens one, ``Engine`` scores cells
from memory. They are loaded when first used, so that ``import bloodcell`` and ``bloodcell --help``
cost nothing.
"""

from typing import TYPE_CHECKING, Any

from bloodcell.errors import (
    BloodcellError,
    BusyError,
    DiskError,
    EngineError,
    InputError,
    ModelError,
    PackageError,
    RunError,
    Stopped,
    StoreError,
)

if TYPE_CHECKING:
    from bloodcell.live import CellResult, Engine
    from bloodcell.merging import merge
    from bloodcell.run import Run, open_run
    from bloodcell.scoring import score

__version__ = "0.1.0"
"""The one place where it stands; `make release` sets it."""

__all__ = [
    "BloodcellError",
    "BusyError",
    "CellResult",
    "DiskError",
    "Engine",
    "EngineError",
    "InputError",
    "ModelError",
    "PackageError",
    "Run",
    "RunError",
    "Stopped",
    "StoreError",
    "merge",
    "open_run",
    "score",
]

_HOME = {
    "CellResult": "bloodcell.live",
    "Engine": "bloodcell.live",
    "Run": "bloodcell.run",
    "merge": "bloodcell.merging",
    "open_run": "bloodcell.run",
    "score": "bloodcell.scoring",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'bloodcell' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
