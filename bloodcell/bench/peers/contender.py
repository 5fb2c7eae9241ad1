"""What every contender is: loaded once, then timed over the same cells."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from bloodcell.bench.scoring_options import Scoring
from bloodcell.engine.backends.cuda import why_no_cuda

_CPU_BATCH, _CUDA_BATCH = 64, 256

Classes: TypeAlias = npt.NDArray[np.int64]
"""The class called of each cell, (N,), in the manifest's order; -1 where there is none."""


class Contender(Protocol):
    """Made of a ``Scoring``, in a process of its own; raises EngineError if it cannot run here.

    A peer takes from it all but the backend; ``threads`` decode, and as many run the network.
    """

    def ready(self, manifest: Path) -> Callable[[], Classes]:
        """Do what is not timed for the cells of ``manifest``; what is returned scores them, once.

        ``manifest``: Parquet with the columns ``path``, relative to it, and ``patient``.
        """


def batch_size_of(scoring: Scoring) -> int:
    """Cells a batch of a peer: as asked for, or else 64, on a GPU 256."""
    return scoring.batch_size or (_CPU_BATCH if why_no_cuda() else _CUDA_BATCH)


def image_paths(manifest: Path) -> list[str]:
    """The absolute paths of the manifest's images."""
    paths = pq.read_table(manifest, columns=["path"])["path"].to_pylist()
    return [str(manifest.parent / path) for path in paths]


def in_batches(paths: list[str], batch_size: int) -> list[list[str]]:
    """``paths`` in pieces of ``batch_size``, the last one of what is left."""
    return [paths[start : start + batch_size] for start in range(0, len(paths), batch_size)]
