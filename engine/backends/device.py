"""What a backend on a GPU does besides: take pixels that lie there, and answer later."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from bloodcell.engine.backends import Backend

IN_FLIGHT = 3
"""Batches that may be begun on a GPU and not taken back: one copied up, one computed, one down."""


@dataclass(frozen=True)
class Part:
    """Pixels of some cells of a batch, wherever they lie."""

    places: npt.NDArray[np.int64]
    """Which of the batch's cells, ascending, (n,)."""
    pixels: Any
    """float32 (n, 3, input_px, input_px): a NumPy array, or device memory by
    ``__cuda_array_interface__`` that is valid in the order of the backend's stream."""


class Pending(Protocol):
    """Cells that the GPU has been told to score."""

    def probabilities(self) -> npt.NDArray[np.float32]:
        """Wait for them, on the host, (N, C). Raises EngineError if the GPU failed.

        Pending batches are asked in the order they began, each once.
        """


class DeviceBackend(Backend, Protocol):
    """A backend whose work is ordered on one stream of a GPU."""

    @property
    def largest_batch(self) -> int:
        """Cells that ``begin`` takes at most."""

    @property
    def stream(self) -> Any:
        """The stream, as DALI takes it."""

    def begin(self, parts: Sequence[Part], count: int) -> Pending:
        """Tell the GPU to score the ``count`` cells of ``parts``, without waiting for it.

        At most ``IN_FLIGHT`` may be pending. Raises EngineError.
        """


def stretches(places: npt.NDArray[np.int64]) -> Iterator[tuple[slice, slice]]:
    """Places of the batch that lie side by side, and where their pixels are in the part."""
    breaks = np.flatnonzero(np.diff(places) != 1) + 1
    for start, end in pairwise([0, *breaks.tolist(), len(places)]):
        first = int(places[start])
        yield slice(first, first + end - start), slice(start, end)


def score_at_once(backend: DeviceBackend, pixels: Any) -> npt.NDArray[np.float32]:
    """``Backend.probabilities`` of any number of cells, by as many batches as it takes."""
    result = np.empty((len(pixels), backend.class_count), np.float32)
    for start, end in chunks(len(pixels), backend.largest_batch):
        part = Part(np.arange(end - start), pixels[start:end])
        result[start:end] = backend.begin([part], end - start).probabilities()
    return result


def chunks(count: int, batch: int) -> Iterator[tuple[int, int]]:
    """First and end row of each chunk of at most ``batch`` of ``count`` rows, in order."""
    for start in range(0, count, batch):
        yield start, min(start + batch, count)
