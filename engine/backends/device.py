"""What the backends on a GPU share: how a batch of parts fills their buffers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from bloodcell.engine.backends.contract import IN_FLIGHT, DeviceBackend, Part
from bloodcell.engine.backends.passes import chunks


def score_at_once(backend: DeviceBackend, pixels: Any) -> npt.NDArray[np.float32]:
    """``Backend.probabilities`` of any number of cells, by as many batches as it takes."""
    result = np.empty((len(pixels), backend.class_count), np.float32)
    for start, end in chunks(len(pixels), backend.largest_batch):
        part = Part(np.arange(end - start), pixels[start:end])
        result[start:end] = backend.begin([part], end - start).probabilities()
    return result


@dataclass(frozen=True)
class Slot:
    """Pinned host memory of one batch in flight, and the event that says it is done.

    Both as the backend's library has them; NumPy sees the same memory.
    """

    pixels: Any
    probabilities: Any
    done: Any


class Slots:
    """As many slots as batches may be in flight, each in its turn."""

    def __init__(self, new_slot: Callable[[], Slot]) -> None:
        self._slots = [new_slot() for _ in range(IN_FLIGHT)]
        self._taken = 0

    def take(self) -> Slot:
        """The slot whose batch was begun longest ago; that one has been waited for."""
        slot = self._slots[self._taken % IN_FLIGHT]
        self._taken += 1
        return slot


@dataclass(frozen=True)
class Begun:
    """See ``Pending``. ``wait``: until a slot's event has happened, or EngineError."""

    slot: Slot
    count: int
    wait: Callable[[Slot], None]

    def probabilities(self) -> npt.NDArray[np.float32]:
        """See ``Pending.probabilities``."""
        self.wait(self.slot)
        return np.array(np.asarray(self.slot.probabilities)[: self.count])


def fill_buffer(
    buffer: Any,
    parts: Sequence[Part],
    count: int,
    slot: Slot,
    *,
    as_array: Callable[[Any], Any],
    copy_up: Callable[[slice], None],
) -> None:
    """Fill a network's input, in stream order: batches before may still be computing.

    ``as_array``: a part's pixels as the library's array, NumPy's as they are; ``copy_up``: begin
    the copy of these places of the slot's pixels to the buffer.
    """
    # A canary: a cell that no copy reaches has no numbers, and the run fails on its row.
    buffer[:count] = float("nan")
    buffer[count:] = 0
    for part in parts:
        on_host = isinstance(part.pixels, np.ndarray)
        pixels = as_array(part.pixels)
        for places, own in contiguous_runs(part.places):
            if on_host:
                # Pinned, and this slot's own: whoever had it before has been waited for.
                np.copyto(np.asarray(slot.pixels)[places], pixels[own])
                copy_up(places)
            else:
                buffer[places] = pixels[own]


def contiguous_runs(places: npt.NDArray[np.int64]) -> Iterator[tuple[slice, slice]]:
    """Places of the batch that lie side by side, and where their pixels are in the part."""
    breaks = np.flatnonzero(np.diff(places) != 1) + 1
    for start, end in pairwise([0, *breaks.tolist(), len(places)]):
        first = int(places[start])
        yield slice(first, first + end - start), slice(start, end)
