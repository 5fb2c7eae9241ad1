"""What a backend is, and what it is given: the seam between the stream and whatever scores.

Light: nothing is imported here but for types, so that ``--help`` can load the table of backends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

CPU = "CPU"
"""The device of a choice that needs no GPU."""
REFERENCE = "onnxruntime"
"""The backend that every other is held against; it can run everywhere."""
USE_REFERENCE = f"Use the backend {REFERENCE}"
"""What to do where another backend cannot be used."""
IN_FLIGHT = 3
"""Batches that a lane may have begun on a GPU and not taken back: one copied up, one computed, one
down."""
PENDING = 6
"""Batches that all lanes of a GPU together may have begun; each has pinned memory of its own."""


@dataclass(frozen=True)
class Network:
    """What a backend needs to know of a model."""

    weights: Path
    input_px: int
    class_count: int
    temperature: float
    """Divides the logits before the softmax."""
    prior_ratios: tuple[float, ...] = ()
    """What follows it, see ``calibrated_probabilities``; empty: nothing."""


@dataclass(frozen=True)
class Choice:
    """Which backend a request led to, and why."""

    name: str
    why: str
    device: str
    """``CPU``, or the GPU's name; with ``name`` it decides what a run's results are."""

    @property
    def on_gpu(self) -> bool:
        """Whether the network runs on a GPU, and with it decoding."""
        return self.device != CPU


class Backend(Protocol):
    """A loaded network that gives what is stored of a cell: calibrated, quantised probabilities.

    A row's result depends on that row's pixels alone, bit for bit.
    """

    @property
    def class_count(self) -> int:
        """Number of classes C."""

    @property
    def pass_cells(self) -> int:
        """Cells that it computes at once: fewer take as long. 1 where each takes its own time."""

    @property
    def made_of(self) -> dict[str, str]:
        """Versions and digests, by name, that its results depend on besides the network."""

    def probabilities(self, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Pixels float32 (N, 3, input_px, input_px) to probabilities float32 (N, C) on the host.

        They are what ``calibrated_probabilities`` makes of the logits: multiples of
        ``PROBABILITY_STEP``, and NaN in every class of a row whose logits are not all finite.
        Raises EngineError if the network cannot be run at all.
        """


@dataclass(frozen=True)
class Part:
    """Pixels of some cells of a batch, wherever they lie."""

    places: npt.NDArray[np.int64]
    """Which of the batch's cells, ascending, (n,)."""
    pixels: Any
    """float32 (n, 3, input_px, input_px): a NumPy array, or device memory by
    ``__cuda_array_interface__`` that is valid in the order of the backend's stream; float16 in
    device memory where the backend ``takes_float16``."""


class Pending(Protocol):
    """Cells that the GPU has been told to score."""

    def probabilities(self) -> npt.NDArray[np.float32]:
        """Wait for them, on the host, (N, C). Raises EngineError if the GPU failed.

        Pending batches of a lane are asked in the order they began, each once.
        """


class DeviceBackend(Backend, Protocol):
    """A backend whose work is ordered on one stream of a GPU, for any number of threads."""

    @property
    def largest_batch(self) -> int:
        """Cells that ``begin`` takes at most."""

    @property
    def stream(self) -> Any:
        """The stream, as DALI takes it."""

    @property
    def takes_float16(self) -> bool:
        """Whether it rounds pixels to float16, so that they may come so."""

    def begin(self, parts: Sequence[Part], count: int) -> Pending:
        """Tell the GPU to score the ``count`` cells of ``parts``, without waiting for it.

        At most ``PENDING`` may be pending. Raises EngineError.
        """
