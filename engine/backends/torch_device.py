"""torch on a GPU, in FP16, by one CUDA graph."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bloodcell.engine.backends.contract import PENDING, USE_REFERENCE, Network
from bloodcell.engine.backends.device import OneSizeBackend, Slot
from bloodcell.engine.backends.onnx.module import OnnxModule
from bloodcell.engine.probabilities import LEAST_SHARED, PROBABILITY_STEP
from bloodcell.errors import EngineError

_WARM_UPS = 3


class TorchDeviceBackend(OneSizeBackend):
    """Runs ``model.onnx``. ``float16=False``: in FP32, for measurements.

    Raises ModelError for a network with an operator that ``OnnxModule`` does not know.
    """

    def __init__(self, network: Network, largest_batch: int = 256, *, float16: bool = True) -> None:
        self.class_count = network.class_count
        self.largest_batch = largest_batch
        self.made_of = {"torch": str(torch.__version__)}
        self.takes_float16 = float16
        self._dtype = torch.float16 if float16 else torch.float32
        self._temperature = network.temperature
        module = OnnxModule(network.weights.read_bytes()).eval()
        with self._failing_in_one_line():
            self._prepare(module, network)

    def _as_array(self, pixels: Any) -> Any:
        on_host = isinstance(pixels, np.ndarray)
        return pixels if on_host else torch.as_tensor(pixels, device="cuda")

    def _copy_up(self, slot: Slot, places: slice) -> None:
        self._pixels[places].copy_(slot.pixels[places], non_blocking=True)

    def _launch(self, slot: Slot) -> None:
        self._graph.replay()
        slot.probabilities.copy_(self._on_device, non_blocking=True)

    def _on_stream(self) -> AbstractContextManager[Any]:
        return torch.cuda.stream(self.stream)

    @contextmanager
    def _failing_in_one_line(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise EngineError(failure_line(error, self.largest_batch)) from error

    def _prepare(self, module: OnnxModule, network: Network) -> None:
        rows, side = self.largest_batch, network.input_px
        self._prior_ratios = ratios_on_device(network, "cuda")
        self._module = module.to(self._dtype).to("cuda", memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._pixels = torch.zeros(rows, 3, side, side, device="cuda", dtype=self._dtype)
        self._slots = [
            Slot(
                torch.zeros(rows, 3, side, side, pin_memory=True, dtype=self._dtype),
                torch.zeros(rows, self.class_count, pin_memory=True),
                torch.cuda.Event(blocking=True),  # type: ignore[no-untyped-call]
            )
            for _ in range(PENDING)
        ]
        self._graph = torch.cuda.CUDAGraph()
        # torch wants a few runs first, in which libraries choose and allocate.
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            for _ in range(_WARM_UPS):
                self._compute()
        with torch.cuda.graph(self._graph, stream=self.stream):
            self._on_device = self._compute()

    @torch.no_grad()
    def _compute(self) -> Tensor:
        pixels = self._pixels.to(self._dtype, memory_format=torch.channels_last)
        return probabilities_on_device(self._module(pixels), self._temperature, self._prior_ratios)


def ratios_on_device(network: Network, device: str) -> Tensor:
    """The ``prior_ratios`` of each class, float64 (C,), all 0 if the network has none."""
    ratios = network.prior_ratios or (0.0,) * network.class_count
    return torch.tensor(ratios, dtype=torch.float64, device=device)


def probabilities_on_device(logits: Tensor, temperature: float, prior_ratios: Tensor) -> Tensor:
    """``calibrated_probabilities`` where the logits (N, C) lie; float32, within one step of it.

    ``prior_ratios``: float64 (C,), there too.
    """
    numbers = logits.isfinite().all(dim=1, keepdim=True)
    # A value and not a branch on it, so that a CUDA graph can hold it.
    scaled = logits.double().masked_fill(~numbers, float("nan")) / temperature
    told = torch.softmax(scaled, dim=1)
    shares = (prior_ratios > 0).double()
    weighted = (told * prior_ratios).sum(dim=1, keepdim=True).clamp(min=LEAST_SHARED)
    factors = 1 - shares + prior_ratios * ((told * shares).sum(dim=1, keepdim=True) / weighted)
    steps = (told * factors / PROBABILITY_STEP).round()
    return steps.float() * PROBABILITY_STEP


def failure_line(error: RuntimeError, batch_size: int) -> str:
    """What to tell a user of what torch said at length."""
    if isinstance(error, torch.OutOfMemoryError):
        return (
            f"the GPU's memory does not hold a batch of {batch_size} cells: end what else uses it "
            f"(see nvidia-smi). {USE_REFERENCE} otherwise. Finished parts are kept"
        )
    return f"torch failed: {str(error).splitlines()[0]}"
