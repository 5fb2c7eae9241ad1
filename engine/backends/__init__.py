"""The seam between the stream and whatever runs the network."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from bloodcell.errors import EngineError

BackendName: TypeAlias = Literal["auto", "onnxruntime", "tensorrt", "torch"]


class Backend(Protocol):
    """A loaded network that gives what is stored of a cell: calibrated, quantised probabilities.

    A row's result depends on that row's pixels alone, bit for bit.
    """

    @property
    def class_count(self) -> int:
        """Number of classes C."""

    def probabilities(self, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Pixels float32 (N, 3, input_px, input_px) to probabilities float32 (N, C) on the host.

        They are what ``calibrated_probabilities`` makes of the logits: multiples of
        ``PROBABILITY_STEP``, and NaN in every class of a row whose logits are not all finite.
        Raises EngineError if the network cannot be run at all.
        """


@dataclass(frozen=True)
class Network:
    """What a backend needs to know of a model."""

    weights: Path
    input_px: int
    class_count: int
    temperature: float
    """Divides the logits before the softmax."""


@dataclass(frozen=True)
class Choice:
    """Which backend a request led to, and why."""

    name: str
    why: str


def choose_backend(requested: BackendName) -> Choice:
    """Resolve ``auto``. An explicit request never falls back: EngineError if it cannot be met."""
    if requested == "auto":
        return Choice("onnxruntime", "the only backend of this version; it runs on the CPU")
    if requested == "onnxruntime":
        return Choice("onnxruntime", "asked for")
    raise EngineError(
        f"backend {requested!r} is not part of this version: use --backend onnxruntime or auto"
    )


def open_backend(choice: Choice, network: Network, threads: int) -> Backend:
    """Load ``network``. ``threads``: CPU threads for one batch."""
    if choice.name != "onnxruntime":
        raise EngineError(f"unknown backend {choice.name!r}")
    from bloodcell.engine.backends.onnxruntime import OnnxRuntimeBackend

    return OnnxRuntimeBackend(network, threads)
