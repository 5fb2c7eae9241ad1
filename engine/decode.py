"""Encoded bytes to normalised pixels: the one DALI graph of scoring and training."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from nvidia.dali import fn, pipeline_def, types

from bloodcell._core import REASONS
from bloodcell.engine.batches import EncodedBatch, ImageBatch
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.errors import EngineError

_INTERPOLATION = {
    "linear": types.INTERP_LINEAR,
    "cubic": types.INTERP_CUBIC,
    "triangular": types.INTERP_TRIANGULAR,
    "lanczos3": types.INTERP_LANCZOS3,
}


def build_graph(
    preprocessing: Preprocessing, *, batch_size: int, threads: int, device_id: int | None = None
) -> Any:
    """Build the DALI pipeline for ``preprocessing``; input ``encoded``, one output.

    On the CPU (``device_id=None``) as on a GPU (``mixed``) the same operators run. The queue
    depth is one because the stream overlaps decoding with the network by its own threads.
    """
    margin = (1.0 - preprocessing.region) / 2.0

    def graph() -> Any:
        encoded = fn.external_source(name="encoded", dtype=types.UINT8, ndim=1)
        images = fn.decoders.image(
            encoded,
            device="cpu" if device_id is None else "mixed",
            # RGB, never ANY_DATA: a gray JPEG decoded with ANY_DATA corrupts the heap.
            output_type=types.RGB,
        )
        images = fn.resize(
            images,
            size=[preprocessing.input_px, preprocessing.input_px],
            roi_start=[margin, margin],
            roi_end=[1.0 - margin, 1.0 - margin],
            roi_relative=True,
            interp_type=_INTERPOLATION[preprocessing.interpolation],
            antialias=preprocessing.antialias,
        )
        return fn.crop_mirror_normalize(
            images,
            dtype=types.FLOAT,
            output_layout="CHW",
            mean=[255.0 * value for value in preprocessing.mean],
            std=[255.0 * value for value in preprocessing.std],
        )

    define = pipeline_def(
        batch_size=batch_size,
        num_threads=threads,
        device_id=device_id,
        prefetch_queue_depth=1,
        # The dynamic executor frees and takes its buffers anew for every batch: resident memory
        # then creeps up by fragmentation. This one keeps them, and memory stays flat.
        exec_dynamic=False,
    )
    pipeline = define(graph)()
    pipeline.build()
    return pipeline


class Decoder:
    """Decodes batches on the CPU; one undecodable image costs one cell.

    DALI raises for a whole batch when one sample cannot be decoded, and the pipeline is dead
    afterwards. The batch is then halved until the culprits stand alone.
    """

    def __init__(self, preprocessing: Preprocessing, *, batch_size: int, threads: int) -> None:
        self.preprocessing = preprocessing
        self._options = {"batch_size": batch_size, "threads": threads}
        self._pipeline: Any = None

    def decode_batch(self, batch: EncodedBatch) -> ImageBatch:
        """Decode what passed the gate; cells that cannot be decoded become ``corrupt``."""
        passed = np.flatnonzero(batch.reasons == 0)
        starts, ends = batch.offsets[passed], batch.offsets[passed + 1]
        views = [batch.buffer[start:end] for start, end in zip(starts, ends, strict=True)]
        pixels, decoded = self.decode(views)
        reasons = batch.reasons.copy()
        reasons[passed[~decoded]] = REASONS.index("corrupt")
        return ImageBatch(batch.rows, reasons, pixels)

    def decode(
        self, encoded: Sequence[npt.NDArray[np.uint8]]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Decode up to ``batch_size`` images.

        Returns the pixels, float32 (D, 3, input_px, input_px), of the D images that could be
        decoded, in order, and which these were, bool (N,).
        """
        if len(encoded) == 0:
            side = self.preprocessing.input_px
            return np.empty((0, 3, side, side), np.float32), np.zeros(0, np.bool_)
        pixels = self._run(encoded)
        if pixels is not None:
            return pixels, np.ones(len(encoded), np.bool_)
        if len(encoded) == 1:
            return self.decode([])[0], np.zeros(1, np.bool_)
        middle = len(encoded) // 2
        halves = self.decode(encoded[:middle]), self.decode(encoded[middle:])
        return (
            np.concatenate([half[0] for half in halves]),
            np.concatenate([half[1] for half in halves]),
        )

    def _run(self, encoded: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32] | None:
        if self._pipeline is None:
            self._pipeline = build_graph(self.preprocessing, **self._options)
        try:
            self._pipeline.feed_input("encoded", list(encoded))
            (output,) = self._pipeline.run()
        except RuntimeError as error:
            self._pipeline = None
            if "decoders.image" not in str(error):
                raise EngineError(f"DALI failed outside image decoding: {error}") from error
            return None
        # A copy: DALI reuses the buffer in its next run.
        return np.array(output.as_tensor(), dtype=np.float32)
