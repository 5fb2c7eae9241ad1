"""OpenCV, with or without simplejpeg, in a pool of threads, and ONNX Runtime."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from bloodcell.bench.peers.contender import Classes, batch_size_of, image_paths, in_batches
from bloodcell.bench.scoring_options import Scoring
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.engine.probabilities import calibrated_probabilities
from bloodcell.engine.telemetry import without_telemetry
from bloodcell.errors import EngineError
from bloodcell.model import load_model

Pixels: TypeAlias = npt.NDArray[Any]
"""R, G, B: uint8 (H, W, 3)."""

with without_telemetry():
    import onnxruntime

_FLAGS = {
    "linear": cv2.INTER_LINEAR,
    "triangular": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "lanczos3": cv2.INTER_LANCZOS4,
}
_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")


class OpenCVOnnxRuntime:
    """Threads that each take a batch through OpenCV and then ONNX Runtime, which has one thread.

    So that every core has work of its own all the time: faster, on two cores, than a pool of
    decoders beside a session that uses all cores. All of it works without the GIL.
    """

    def __init__(self, scoring: Scoring) -> None:
        model = load_model(scoring.model)
        # The pool's threads are as many as there shall be.
        cv2.setNumThreads(1)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        here = onnxruntime.get_available_providers()
        self._session = onnxruntime.InferenceSession(
            model.network.weights, options, providers=[name for name in _PROVIDERS if name in here]
        )
        self._calibration = model.temperature, model.prior_ratios
        self._input = self._session.get_inputs()[0].name
        self._preprocessing = model.preprocessing
        mean, std = (
            255 * np.array(values, np.float32)[:, None, None]
            for values in (model.preprocessing.mean, model.preprocessing.std)
        )
        self._factor, self._shift = 1 / std, -mean / std
        self._batch_size = batch_size_of(scoring)
        self._pool = ThreadPoolExecutor(scoring.threads)

    def ready(self, manifest: Path) -> Callable[[], Classes]:
        """See ``Contender.ready``."""
        batches = in_batches(image_paths(manifest), self._batch_size)
        return lambda: np.concatenate(list(self._pool.map(self._classes, batches)))

    def _classes(self, paths: list[str]) -> Classes:
        side = self._preprocessing.input_px
        pixels = np.empty((len(paths), 3, side, side), np.float32)
        for place, path in enumerate(paths):
            image = resized(self._decode(Path(path).read_bytes()), self._preprocessing)
            np.multiply(image.transpose(2, 0, 1), self._factor, out=pixels[place])
            pixels[place] += self._shift
        logits = self._session.run(None, {self._input: pixels})[0]
        classes: Classes = calibrated_probabilities(logits, *self._calibration).argmax(axis=1)
        return classes

    def _decode(self, encoded: bytes) -> Pixels:
        return by_opencv(encoded)


class SimplejpegOnnxRuntime(OpenCVOnnxRuntime):
    """The same with simplejpeg, a thin face of libjpeg-turbo, for what is JPEG.

    At full size: the model's pixels are not those of a JPEG decoded at half its size.
    """

    def __init__(self, scoring: Scoring) -> None:
        from simplejpeg import decode_jpeg, is_jpeg

        self._decode_jpeg, self._is_jpeg = decode_jpeg, is_jpeg
        super().__init__(scoring)

    def _decode(self, encoded: bytes) -> Pixels:
        if not self._is_jpeg(encoded):
            return by_opencv(encoded)
        pixels: Pixels = self._decode_jpeg(encoded)
        return pixels


def by_opencv(encoded: bytes) -> Pixels:
    """Decode any image that OpenCV knows; raises EngineError for another."""
    image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise EngineError("OpenCV cannot decode an image of the input")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def resized(image: Pixels, preprocessing: Preprocessing) -> Pixels:
    """The central region as the network takes it, uint8 (input_px, input_px, 3).

    OpenCV shrinks without antialiasing, or, with INTER_AREA, by another filter. A slight blur
    before, as wide as what bilinear antialiasing adds, comes nearest, and is faster than that.
    """
    side, margin = preprocessing.input_px, (1 - preprocessing.region) / 2
    height, width = image.shape[:2]
    top, left = int(height * margin), int(width * margin)
    image = image[top : height - top, left : width - left]
    # Pixels of the image for one of the result.
    step_x, step_y = (preprocessing.region * length / side for length in (width, height))
    if preprocessing.antialias and max(step_x, step_y) > 1:
        sigma_x, sigma_y = (np.sqrt(max(s * s - 1, 1e-6) / 6) for s in (step_x, step_y))
        image = cv2.GaussianBlur(image, (0, 0), sigmaX=sigma_x, sigmaY=sigma_y)
    shift_x = width * margin - left + step_x / 2 - 0.5
    shift_y = height * margin - top + step_y / 2 - 0.5
    to_source = np.array([[step_x, 0, shift_x], [0, step_y, shift_y]])
    flags = _FLAGS[preprocessing.interpolation] | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(
        image, to_source, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
