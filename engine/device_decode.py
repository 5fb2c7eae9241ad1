"""Decoding on a GPU, and on the CPU what the GPU does not take."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bloodcell.engine.backends.contract import Part
from bloodcell.engine.batches import Batch, DecodedBatch
from bloodcell.engine.decode import Decoder, Encoded, Graph, Takes, decoded_groups
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.engine.rewriting import passed_images
from bloodcell.engine.staining import Smears, is_stained

_JPEG_FIRST_BYTE = 0xFF
"""Of the formats that pass the gate, only JPEG begins with it."""


@dataclass(frozen=True)
class DeviceBatch:
    """The pixels of those D of N cells that could be decoded, where they lie."""

    rows: npt.NDArray[np.int64]
    reasons: npt.NDArray[np.uint8]
    """(N,); D of them are 0."""
    parts: list[Part]
    """Their places are 0 to D - 1, in the order of the rows."""
    samples: list[Any]
    """Of each part, for ``is_stained``, where its pixels lie."""
    smears: Smears | None

    def stained(self) -> npt.NDArray[np.bool_]:
        """Which of the D cells may be of a stained smear, (D,); waits for their samples."""
        stained = np.zeros(sum(len(part.places) for part in self.parts), np.bool_)
        for part, samples in zip(self.parts, self.samples, strict=True):
            stained[part.places] = is_stained(on_host(samples), self.smears)
        return stained


def on_host(array: Any) -> npt.NDArray[Any]:
    """What DALI's array on a GPU holds, once it is there; NumPy's as it is."""
    return np.asarray(array.as_cpu() if hasattr(array, "as_cpu") else array)


class DeviceDecoder:
    """JPEGs on the GPU; other formats, and JPEGs that the GPU refuses, on the CPU.

    Which decoder takes an image depends on the image alone, so its pixels do too. TIFF stays on the
    CPU until decoding it on a GPU has been measured and found right (docs/gpu.md).
    """

    def __init__(
        self,
        run_on_gpu: Callable[[Encoded], Any],
        host: Decoder,
        resize_on_gpu: Callable[[DecodedBatch], Any],
    ) -> None:
        self._run_on_gpu, self._host, self._resize_on_gpu = run_on_gpu, host, resize_on_gpu

    def decode_batch(self, batch: Batch) -> DeviceBatch:
        """Decode what passed the gate; what neither decoder takes becomes ``corrupt``."""
        if isinstance(batch, DecodedBatch):
            return self._resized(batch)
        images = passed_images(batch)
        reasons, encoded = images.reasons, images.encoded
        is_jpeg = np.array([image[0] == _JPEG_FIRST_BYTE for image in encoded], np.bool_)
        groups: list[tuple[npt.NDArray[np.int64], Any, Any]] = []
        left = np.ones(len(encoded), np.bool_)
        jpegs = np.flatnonzero(is_jpeg)
        for places, outputs in decoded_groups(
            self._run_on_gpu, [encoded[i] for i in jpegs.tolist()]
        ):
            groups.append((jpegs[places], *outputs))
            left[jpegs[places]] = False
        others = np.flatnonzero(left)
        if len(others):
            pixels, samples, why_not = self._host.decode_passed(
                [encoded[i] for i in others.tolist()], images.is_deep[others]
            )
            reasons[images.places[others]] = why_not
            groups.append((others[why_not == 0], pixels, samples))
            left[others] = why_not != 0
        # Cells that could not be decoded leave no gap among the places.
        place = np.cumsum(~left) - 1
        groups = [group for group in groups if len(group[0])]
        parts = [Part(place[chosen], pixels) for chosen, pixels, _ in groups]
        all_samples = [samples for *_, samples in groups]
        return DeviceBatch(batch.rows, reasons, parts, all_samples, self._host.smears)

    def _resized(self, batch: DecodedBatch) -> DeviceBatch:
        if not batch.images:
            return DeviceBatch(batch.rows, batch.reasons, [], [], self._host.smears)
        pixels, samples = self._resize_on_gpu(batch)
        part = Part(np.arange(len(batch.images)), pixels)
        return DeviceBatch(batch.rows, batch.reasons, [part], [samples], self._host.smears)


def open_device_decoder(
    preprocessing: Preprocessing,
    *,
    batch_size: int,
    threads: int,
    stream: Any,
    hardware_decoder: bool,
    float16: bool = False,
    smears: Smears | None = None,
) -> DeviceDecoder:
    """For the first GPU that this process sees; its pixels are ordered on ``stream``.

    ``float16``: what it decodes or resizes on the GPU is rounded to that; the backend rounds the
    rest.
    """

    def graph(takes: Takes) -> Graph:
        return Graph(
            preprocessing,
            takes=takes,
            batch_size=batch_size,
            threads=threads,
            device_id=0,
            hardware_decoder=hardware_decoder,
            float16=float16,
        )

    decoding, resizing = (
        graph("encoded"),
        {False: graph("decoded"), True: graph("decoded_on_device")},
    )

    def run(encoded: Encoded) -> Any:
        return [output.as_tensor() for output in decoding.run(encoded, stream)]

    def resize(batch: DecodedBatch) -> Any:
        outputs = resizing[batch.on_device].run(batch.images, stream)
        return [output.as_tensor() for output in outputs]

    host = Decoder(preprocessing, batch_size=batch_size, threads=threads, smears=smears)
    return DeviceDecoder(run, host, resize)
