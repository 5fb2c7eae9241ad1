"""torch on the CPU: the reference for other backends, and for networks that users have in torch."""

import numpy as np
import numpy.typing as npt
import torch

from bloodcell.engine.backends.contract import Network
from bloodcell.engine.backends.onnx.module import OnnxModule
from bloodcell.engine.backends.passes import in_passes
from bloodcell.engine.probabilities import calibrated_probabilities
from bloodcell.errors import EngineError

_PASS_CELLS = 4

Array = npt.NDArray[np.float32]


class TorchBackend:
    """Runs ``model.onnx`` in FP32 on ``threads`` threads.

    In passes of one fixed size, so that batching never changes a row's bits. Raises ModelError for
    an operator that ``OnnxModule`` does not know.
    """

    pass_cells = _PASS_CELLS

    def __init__(self, network: Network, threads: int) -> None:
        self.class_count = network.class_count
        self.made_of = {"torch": str(torch.__version__)}
        torch.set_num_threads(threads)
        module = OnnxModule(network.weights.read_bytes()).eval()
        self._module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._calibration = network.temperature, network.prior_ratios
        shape = _PASS_CELLS, 3, network.input_px, network.input_px
        self._pixels = torch.zeros(shape).to(memory_format=torch.channels_last)

    def probabilities(self, pixels: Array) -> Array:
        """See ``Backend.probabilities``."""
        try:
            logits = in_passes(self._pass, pixels, _PASS_CELLS, self.class_count)
        except RuntimeError as error:
            raise EngineError(f"torch failed: {str(error).splitlines()[0]}") from error
        return calibrated_probabilities(logits, *self._calibration)

    def _pass(self, pixels: Array) -> Array:
        # By NumPy, which also takes pixels that may not be written to.
        self._pixels.numpy()[:] = pixels
        with torch.inference_mode():
            logits: Array = self._module(self._pixels).numpy()
        return logits
