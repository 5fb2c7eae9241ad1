"""torch: the reference for other backends, and the GPU's where TensorRT is not installed.

What runs on CUDA (``_CudaPass``) has not been run on a GPU yet.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bloodcell.engine.backends import Network
from bloodcell.engine.backends.onnx_module import OnnxModule
from bloodcell.engine.probabilities import PROBABILITY_STEP, calibrated_probabilities
from bloodcell.errors import EngineError

_CPU_BATCH = 4
_CUDA_BATCH = 256
_WARM_UPS = 3

Array = npt.NDArray[np.float32]


class TorchBackend:
    """Runs ``model.onnx`` in passes of one fixed size, so that batching never changes a row's bits.

    On the CPU in FP32 on ``threads`` threads, on CUDA in FP16 in passes of ``cuda_batch`` cells
    (``float16=False``: in FP32, for measurements). Raises ModelError for a network
    with an operator that ``OnnxModule`` does not know.
    """

    def __init__(
        self,
        network: Network,
        threads: int,
        *,
        on_cuda: bool,
        cuda_batch: int = _CUDA_BATCH,
        float16: bool = True,
    ) -> None:
        self.class_count = network.class_count
        self.made_of = {"torch": str(torch.__version__)}
        module = OnnxModule(network.weights.read_bytes()).eval()
        self._batch = cuda_batch if on_cuda else _CPU_BATCH
        self._pass: Callable[[Array], Array]
        try:
            if on_cuda:
                self._pass = _CudaPass(module, network, cuda_batch, float16)
            else:
                torch.set_num_threads(threads)
                self._pass = _CpuPass(module, network)
        except RuntimeError as error:
            raise EngineError(_failure(error, self._batch)) from error

    def probabilities(self, pixels: Array) -> Array:
        """See ``Backend.probabilities``."""
        try:
            return in_passes(pixels, self._batch, self.class_count, self._pass)
        except RuntimeError as error:
            raise EngineError(_failure(error, self._batch)) from error


def in_passes(
    pixels: Array, batch_size: int, class_count: int, score: Callable[[Array], Array]
) -> Array:
    """``score`` of at most ``batch_size`` rows (n, 3, H, W) at a time; (N, ``class_count``)."""
    found = np.empty((len(pixels), class_count), np.float32)
    for start in range(0, len(pixels), batch_size):
        end = min(start + batch_size, len(pixels))
        found[start:end] = score(pixels[start:end])
    return found


def probabilities_on_device(logits: Tensor, temperature: float) -> Tensor:
    """``calibrated_probabilities`` where the logits (N, C) lie; float32, within one step of it."""
    numbers = logits.isfinite().all(dim=1, keepdim=True)
    # A value and not a branch on it, so that a CUDA graph can hold it.
    scaled = logits.double().masked_fill(~numbers, float("nan")) / temperature
    steps = (torch.softmax(scaled, dim=1) / PROBABILITY_STEP).round()
    return steps.float() * PROBABILITY_STEP


class _CpuPass:
    """Up to ``_CPU_BATCH`` rows, the rest of the fixed batch zeros."""

    def __init__(self, module: OnnxModule, network: Network) -> None:
        side = network.input_px
        self._module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._temperature = network.temperature
        self._pixels = torch.zeros(_CPU_BATCH, 3, side, side).to(memory_format=torch.channels_last)

    def __call__(self, pixels: Array) -> Array:
        count = len(pixels)
        # By NumPy, which also takes pixels that may not be written to.
        self._pixels.numpy()[:count] = pixels
        self._pixels[count:] = 0
        with torch.inference_mode():
            logits = self._module(self._pixels)[:count]
        return calibrated_probabilities(logits.numpy(), self._temperature)


class _CudaPass:
    """Up to ``batch`` rows by one CUDA graph: pixels up, FP16 network, probabilities down.

    Rows after the last one given are those of an earlier pass; no row depends on another.
    """

    def __init__(self, module: OnnxModule, network: Network, batch: int, float16: bool) -> None:
        side, self._dtype = network.input_px, torch.float16 if float16 else torch.float32
        self._module = module.to(self._dtype).to("cuda", memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._temperature = network.temperature
        self._given = torch.zeros(batch, 3, side, side, pin_memory=True)
        self._pixels = torch.zeros(batch, 3, side, side, device="cuda")
        self._found = torch.zeros(batch, network.class_count, pin_memory=True)
        self._graph = torch.cuda.CUDAGraph()
        # torch wants a few runs on another stream first, in which libraries choose and allocate.
        warm_up = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        warm_up.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(warm_up):
            for _ in range(_WARM_UPS):
                self._compute()
        torch.cuda.current_stream().wait_stream(warm_up)
        with torch.cuda.graph(self._graph):
            self._on_device = self._compute()

    def __call__(self, pixels: Array) -> Array:
        count = len(pixels)
        self._given.numpy()[:count] = pixels
        self._pixels.copy_(self._given, non_blocking=True)
        self._graph.replay()
        self._found.copy_(self._on_device, non_blocking=True)
        # The copies and the graph are in order on one stream; this waits for the last of them.
        torch.cuda.current_stream().synchronize()
        return self._found[:count].numpy().copy()

    @torch.no_grad()
    def _compute(self) -> Tensor:
        pixels = self._pixels.to(self._dtype, memory_format=torch.channels_last)
        return probabilities_on_device(self._module(pixels), self._temperature)


def _failure(error: RuntimeError, batch_size: int) -> str:
    if isinstance(error, torch.OutOfMemoryError):
        return (
            f"the GPU's memory does not hold a batch of {batch_size} cells: end what else uses it "
            "(see nvidia-smi), or use --backend onnxruntime. Finished parts are kept"
        )
    return f"torch failed: {str(error).splitlines()[0]}"
