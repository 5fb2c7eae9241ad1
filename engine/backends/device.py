"""What the backends on a GPU share: batches of one size, filled part by part, several in flight."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from bloodcell.engine.backends.contract import Part
from bloodcell.engine.backends.passes import chunks


@dataclass(frozen=True)
class Slot:
    """Pinned host memory of one batch in flight, and the event that says it is done.

    Both as the backend's library has them; NumPy sees the same memory.
    """

    pixels: Any
    probabilities: Any
    done: Any


class OneSizeBackend(ABC):
    """Scores batches of ``largest_batch`` cells, so that none of them changes a row's bits.

    Rows after the last one given are zeros. A subclass sets what is declared here.
    """

    class_count: int
    largest_batch: int
    made_of: dict[str, str]
    stream: Any
    """See ``DeviceBackend.stream``."""
    takes_float16 = False
    """See ``DeviceBackend.takes_float16``."""
    _pixels: Any
    """The network's input on the device, float32 (largest_batch, 3, input_px, input_px), or
    float16 where the network ``takes_float16``."""
    _slots: list[Slot]
    """``PENDING`` of them."""

    @property
    def pass_cells(self) -> int:
        """See ``Backend.pass_cells``."""
        return self.largest_batch

    @abstractmethod
    def _as_array(self, pixels: Any) -> Any:
        """A part's pixels as the library's array; NumPy's as they are."""

    @abstractmethod
    def _copy_up(self, slot: Slot, places: slice) -> None:
        """Begin the copy of these places of the slot's pixels to the input."""

    @abstractmethod
    def _launch(self, slot: Slot) -> None:
        """Begin to score the input, and to copy the probabilities to the slot."""

    @abstractmethod
    def _on_stream(self) -> AbstractContextManager[Any]:
        """In it, what is begun is ordered on the stream."""

    @abstractmethod
    def _failing_in_one_line(self) -> AbstractContextManager[None]:
        """In it, what the library raises becomes an EngineError."""

    def probabilities(self, pixels: Any) -> npt.NDArray[np.float32]:
        """See ``Backend.probabilities``; takes what a ``Part`` may hold, of any number of cells."""
        result = np.empty((len(pixels), self.class_count), np.float32)
        for start, end in chunks(len(pixels), self.largest_batch):
            part = Part(np.arange(end - start), pixels[start:end])
            result[start:end] = self.begin([part], end - start).probabilities()
        return result

    def begin(self, parts: Sequence[Part], count: int) -> Begun:
        """See ``DeviceBackend.begin``."""
        # One input for all lanes: nothing of another's batch may come between filling and launch.
        with self._one_at_a_time, self._failing_in_one_line(), self._on_stream():
            slot = self._free.popleft()
            try:
                self._fill(parts, count, slot)
                self._launch(slot)
                slot.done.record(self.stream)
            except BaseException:
                self.release(slot)
                raise
        return Begun(self, slot, count)

    def release(self, slot: Slot) -> None:
        """Let another batch have ``slot``, whose own has been waited for and read."""
        self._free.append(slot)

    @cached_property
    def _free(self) -> deque[Slot]:
        return deque(self._slots)

    @cached_property
    def _one_at_a_time(self) -> Lock:
        return Lock()

    def wait(self, slot: Slot) -> None:
        """Until the probabilities of ``slot`` are on the host."""
        with self._failing_in_one_line():
            slot.done.synchronize()

    def _fill(self, parts: Sequence[Part], count: int, slot: Slot) -> None:
        """Fill the input, in stream order: batches before may still be computing."""
        # A canary: a cell that no copy reaches has no numbers, and the run fails on its row.
        self._pixels[:count] = float("nan")
        self._pixels[count:] = 0
        for part in parts:
            pixels, on_host = self._as_array(part.pixels), isinstance(part.pixels, np.ndarray)
            for places, own in contiguous_runs(part.places):
                if on_host:
                    np.copyto(np.asarray(slot.pixels)[places], pixels[own])
                    self._copy_up(slot, places)
                else:
                    self._pixels[places] = pixels[own]


@dataclass(frozen=True)
class Begun:
    """See ``Pending``."""

    backend: OneSizeBackend
    slot: Slot
    count: int

    def probabilities(self) -> npt.NDArray[np.float32]:
        """See ``Pending.probabilities``."""
        try:
            self.backend.wait(self.slot)
            return np.array(np.asarray(self.slot.probabilities)[: self.count])
        finally:
            self.backend.release(self.slot)


def contiguous_runs(places: npt.NDArray[np.int64]) -> Iterator[tuple[slice, slice]]:
    """Places of the batch that lie side by side, and where their pixels are in the part."""
    breaks = np.flatnonzero(np.diff(places) != 1) + 1
    for start, end in pairwise([0, *breaks.tolist(), len(places)]):
        first = int(places[start])
        yield slice(first, first + end - start), slice(start, end)
