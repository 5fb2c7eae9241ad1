"""OpenVINO on CPUs that compute in bfloat16: about twice as fast as float32."""

import numpy as np
import numpy.typing as npt

from bloodcell.engine.backends.contract import USE_REFERENCE, Network
from bloodcell.engine.backends.passes import in_passes
from bloodcell.engine.probabilities import calibrated_probabilities
from bloodcell.engine.telemetry import without_telemetry
from bloodcell.errors import EngineError, ModelError

with without_telemetry():
    import openvino

_PASS_CELLS = 16

Array = npt.NDArray[np.float32]


class OpenVINOBackend:
    """Runs ``model.onnx`` in bfloat16, ``calls`` at a time on ``threads`` CPU threads each.

    In passes of one fixed size, so that batching never changes a row's bits. Raises ModelError for
    a network that OpenVINO cannot read, and EngineError if it would not compute in bfloat16 here.
    """

    pass_cells = _PASS_CELLS

    def __init__(self, network: Network, threads: int, calls: int) -> None:
        self.class_count = network.class_count
        self.made_of = {"openvino": str(openvino.get_version())}
        self._temperature = network.temperature
        core = openvino.Core()
        try:
            model = core.read_model(network.weights.read_bytes(), b"")
            model.reshape([_PASS_CELLS, 3, network.input_px, network.input_px])
        except RuntimeError as error:
            raise ModelError(
                f"{network.weights} cannot be read by OpenVINO: {_last_line(error)}. "
                f"{USE_REFERENCE}"
            ) from error
        self._compiled = core.compile_model(model, "CPU", _settings(threads, calls))
        precision = self._compiled.get_property("INFERENCE_PRECISION_HINT")
        if precision != openvino.Type.bf16:
            raise EngineError(
                f"OpenVINO would compute in {precision.to_string()} here, bfloat16 is expected. "
                f"{USE_REFERENCE}"
            )

    def probabilities(self, pixels: Array) -> Array:
        """See ``Backend.probabilities``."""
        request = self._compiled.create_infer_request()  # one a call: calls share the network only
        try:
            logits = in_passes(
                lambda whole: request.infer([whole])[0], pixels, _PASS_CELLS, self.class_count
            )
        except RuntimeError as error:
            raise EngineError(
                f"OpenVINO failed on {len(pixels)} cells: {_last_line(error)}"
            ) from error
        return calibrated_probabilities(logits, self._temperature)


def _last_line(error: RuntimeError) -> str:
    """What is wrong; the lines before it say where in OpenVINO's source that was noticed."""
    return str(error).strip().splitlines()[-1].strip(" .")


def _settings(threads: int, calls: int) -> dict[str, str | int | bool]:
    return {
        "INFERENCE_PRECISION_HINT": "bf16",
        "NUM_STREAMS": calls,
        "INFERENCE_NUM_THREADS": threads * calls,
        # Other processes may have been given the same cores first.
        "ENABLE_CPU_PINNING": False,
    }
