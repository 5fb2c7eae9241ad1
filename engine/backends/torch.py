"""torch on the CPU: the reference for other backends, and for networks that users have in torch."""

import numpy as np
import numpy.typing as npt
import torch

from bloodcell.engine.backends import Network
from bloodcell.engine.backends.device import chunks
from bloodcell.engine.backends.onnx_module import OnnxModule
from bloodcell.engine.probabilities import calibrated_probabilities
from bloodcell.errors import EngineError

_BATCH = 4

Array = npt.NDArray[np.float32]


class TorchBackend:
    """Runs ``model.onnx`` in FP32 on ``threads`` threads.

    In passes of one fixed size, the last one filled up with zeros, so that batching never changes
    a row's bits. Raises ModelError for an operator that ``OnnxModule`` does not know.
    """

    def __init__(self, network: Network, threads: int) -> None:
        self.class_count = network.class_count
        self.made_of = {"torch": str(torch.__version__)}
        torch.set_num_threads(threads)
        module = OnnxModule(network.weights.read_bytes()).eval()
        self._module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._temperature = network.temperature
        shape = _BATCH, 3, network.input_px, network.input_px
        self._pixels = torch.zeros(shape).to(memory_format=torch.channels_last)

    def probabilities(self, pixels: Array) -> Array:
        """See ``Backend.probabilities``."""
        found = np.empty((len(pixels), self.class_count), np.float32)
        try:
            for start, end in chunks(len(pixels), _BATCH):
                found[start:end] = self._pass(pixels[start:end])
        except RuntimeError as error:
            raise EngineError(f"torch failed: {str(error).splitlines()[0]}") from error
        return found

    def _pass(self, pixels: Array) -> Array:
        count = len(pixels)
        # By NumPy, which also takes pixels that may not be written to.
        self._pixels.numpy()[:count] = pixels
        self._pixels[count:] = 0
        with torch.inference_mode():
            logits = self._module(self._pixels)[:count]
        return calibrated_probabilities(logits.numpy(), self._temperature)
