"""OpenVINO on CPUs that compute in bfloat16: about twice as fast as float32."""

from typing import Any

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
_MOST_SINGLE = 11
"""Cells that take less time one by one: each took 1.1 to 1.4 times its share of a whole pass."""

Array = npt.NDArray[np.float32]


class OpenVINOBackend:
    """Runs ``model.onnx`` in bfloat16, ``calls`` at a time on ``threads`` CPU threads each.

    In passes of one fixed size, so that batching never changes a row's bits; ``prompt``: few cells
    one by one, if their bits are the same here. Raises ModelError for a network that OpenVINO
    cannot read, and EngineError if it would not compute in bfloat16 here.
    """

    def __init__(self, network: Network, threads: int, calls: int, *, prompt: bool = False) -> None:
        self.class_count = network.class_count
        self.made_of = {"openvino": str(openvino.get_version())}
        self._calibration = network.temperature, network.prior_ratios
        settings = _settings(threads, calls)
        self._whole = _compiled(network, _PASS_CELLS, settings)
        precision = self._whole.get_property("INFERENCE_PRECISION_HINT")
        if precision != openvino.Type.bf16:
            raise EngineError(
                f"OpenVINO would compute in {precision.to_string()} here, bfloat16 is expected. "
                f"{USE_REFERENCE}"
            )
        single = _compiled(network, 1, settings) if prompt else None
        self._single = single if single and self._is_alike(single, network.input_px) else None
        self.pass_cells = 1 if self._single else _PASS_CELLS

    def probabilities(self, pixels: Array) -> Array:
        """See ``Backend.probabilities``."""
        few = len(pixels) % _PASS_CELLS if self._single else 0
        in_whole = len(pixels) - (few if few <= _MOST_SINGLE else 0)
        parts = (
            (self._whole, pixels[:in_whole], _PASS_CELLS),
            (self._single, pixels[in_whole:], 1),
        )
        none = np.empty((0, self.class_count), np.float32)
        logits = np.concatenate([none, *(self._logits(*part) for part in parts if len(part[1]))])
        return calibrated_probabilities(logits, *self._calibration)

    def _logits(self, compiled: Any, pixels: Array, pass_cells: int) -> Array:
        request = compiled.create_infer_request()  # one a call: calls share the network only
        try:
            return in_passes(
                lambda whole: request.infer([whole])[0], pixels, pass_cells, self.class_count
            )
        except RuntimeError as error:
            raise EngineError(
                f"OpenVINO failed on {len(pixels)} cells: {_last_line(error)}"
            ) from error

    def _is_alike(self, single: Any, input_px: int) -> bool:
        """Whether cells by themselves get the logits, to the last bit, that a pass gives them."""
        generator = np.random.default_rng(20261127)
        shape = _PASS_CELLS, 3, input_px, input_px
        pixels = generator.standard_normal(shape, np.float32)
        alone = self._logits(single, pixels, 1)
        return np.array_equal(alone, self._logits(self._whole, pixels, _PASS_CELLS))


def _compiled(network: Network, pass_cells: int, settings: dict[str, str | int | bool]) -> Any:
    core = openvino.Core()
    try:
        model = core.read_model(network.weights.read_bytes(), b"")
        model.reshape([pass_cells, 3, network.input_px, network.input_px])
    except RuntimeError as error:
        raise ModelError(
            f"{network.weights} cannot be read by OpenVINO: {_last_line(error)}. {USE_REFERENCE}"
        ) from error
    return core.compile_model(model, "CPU", settings)


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
