"""ONNX Runtime on the CPU."""

import numpy as np
import numpy.typing as npt

from bloodcell.engine.backends.contract import Network
from bloodcell.engine.probabilities import calibrated_probabilities
from bloodcell.engine.telemetry import without_telemetry
from bloodcell.errors import EngineError, ModelError

with without_telemetry():
    import onnxruntime

# Where something else had loaded it before.
onnxruntime.disable_telemetry_events()


_WHERE_OTHER_FILES_LIE = "session.model_external_initializers_file_folder_path"


class OnnxRuntimeBackend:
    """Runs ``model.onnx`` in FP32 on ``threads`` CPU threads.

    Raises ModelError if the file is no ONNX network or its shapes differ from the card's.
    """

    pass_cells = 1

    def __init__(self, network: Network, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Weights that lie outside of the file, which no digest holds, are looked for in the file
        # as if it were a folder, and not in the current one.
        options.add_session_config_entry(_WHERE_OTHER_FILES_LIE, str(network.weights))
        try:
            # From bytes, the file whose digest the card states: nothing else can be loaded.
            self._session = onnxruntime.InferenceSession(
                network.weights.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's own exceptions share no public base
            if "xternal data" in str(error):
                raise ModelError(
                    f"{network.weights} has weights in other files, which its card's SHA-256 does "
                    "not hold: save it with all of them inside (onnx.save_model does, unless told)"
                ) from error
            raise ModelError(f"{network.weights} cannot be loaded as ONNX: {error}") from error
        self._input = self._session.get_inputs()[0].name
        self.class_count = network.class_count
        self.made_of = {"onnxruntime": onnxruntime.__version__}
        self._calibration = network.temperature, network.prior_ratios
        self._check_shapes(network)

    def probabilities(self, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """See ``Backend.probabilities``."""
        try:
            logits: npt.NDArray[np.float32] = self._session.run(None, {self._input: pixels})[0]
        except Exception as error:
            raise EngineError(f"ONNX Runtime failed on {len(pixels)} cells: {error}") from error
        return calibrated_probabilities(logits, *self._calibration)

    def _check_shapes(self, network: Network) -> None:
        pixels, logits = self._session.get_inputs()[0], self._session.get_outputs()[0]
        in_file = pixels.shape[1:], logits.shape[1:]
        in_card = [3, network.input_px, network.input_px], [network.class_count]
        if in_file != in_card:
            raise ModelError(
                f"{network.weights} takes {in_file[0]} and gives {in_file[1]} for each image; "
                f"its card says {in_card[0]} and {in_card[1]}"
            )
        if isinstance(pixels.shape[0], int) or {pixels.type, logits.type} != {"tensor(float)"}:
            raise ModelError(
                f"{network.weights} takes {pixels.type} of shape {pixels.shape}: float32 in "
                "batches of any size is expected. Export it with a dynamic first axis"
            )
