"""By how much the pixels of a GPU's decoder differ from the CPU's, and what it refuses.

Measured on the network's input: after cropping and resizing, which are done where an image is
decoded.
"""

import io
from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

from bloodcell.bench.sample import pixels_on_host
from bloodcell.engine.batches import EncodedBatch
from bloodcell.engine.decode import Decoder
from bloodcell.engine.device_decode import DeviceDecoder, open_device_decoder
from bloodcell.engine.machine import usable_cores
from bloodcell.engine.source import batches_of, read_files
from bloodcell.model import load_model
from gpu.inputs import SHIPPED

_JPEG_FIRST_BYTE = 0xFF
_SAMPLING = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
"""As Pillow numbers them."""

Bytes = npt.NDArray[np.uint8]


def open_and_compare(source: Path, hardware_decoder: bool) -> dict[str, Any]:
    """Both decoders of the shipped model over the images of all folders in ``source``."""
    options: dict[str, Any] = {"batch_size": 64, "threads": usable_cores()}
    preprocessing, stream = load_model(SHIPPED).preprocessing, _new_stream()
    device = open_device_decoder(
        preprocessing, stream=stream, hardware_decoder=hardware_decoder, **options
    )
    batches = encoded_batches(source, options["batch_size"])
    return decoders_differ(device, Decoder(preprocessing, **options), batches, stream)


def _new_stream() -> Any:
    if find_spec("cupy"):
        return import_module("cupy").cuda.Stream(non_blocking=True)
    return import_module("torch").cuda.Stream()


def encoded_batches(folder: Path, batch_size: int) -> Iterator[EncodedBatch]:
    """The images of all patients' folders in ``folder``."""
    paths = sorted(str(path.relative_to(folder)) for path in folder.glob("*/*"))
    rows = pa.table({"row": np.arange(len(paths)), "path": paths})
    return read_files(folder, batches_of(rows, batch_size))


def decoders_differ(
    device: DeviceDecoder, host: Decoder, batches: Iterable[EncodedBatch], stream: Any
) -> dict[str, Any]:
    """Compare both decoders over ``batches``, in levels of 255.

    ``jpegs_refused_by_gpu`` were decoded on the CPU; ``decoded_by_one_alone`` is to be 0.
    """
    scale = 255 * np.array(host.preprocessing.std, np.float32)[:, None, None]
    cells = jpegs = refused = one_alone = 0
    largest: list[float] = []
    kinds: list[str] = []
    for batch in batches:
        on_device, on_host = device.decode_batch(batch), host.decode_batch(batch)
        stream.synchronize()
        decoded, expected = on_device.reasons == 0, on_host.reasons == 0
        both = decoded & expected
        pixels, expected_pixels = (
            pixels_on_host(images)[both[images.reasons == 0]] for images in (on_device, on_host)
        )
        largest += (scale * np.abs(pixels - expected_pixels)).max(axis=(1, 2, 3)).tolist()
        kinds += [jpeg_kind(_image(batch, place)) for place in np.flatnonzero(both).tolist()]
        cells += int(both.sum())
        one_alone += int((decoded != expected).sum())
        is_jpeg = batch.buffer[batch.offsets[np.flatnonzero(decoded)]] == _JPEG_FIRST_BYTE
        jpegs += int(is_jpeg.sum())
        by_gpu = [part for part in on_device.parts if type(part.pixels) is not np.ndarray]
        refused += int(is_jpeg.sum()) - sum(len(part.places) for part in by_gpu)
    return {
        "cells": cells,
        "jpegs": jpegs,
        "jpegs_refused_by_gpu": refused,
        "decoded_by_one_alone": one_alone,
        **_levels(largest),
        "by_kind": {
            kind: _levels([one for one, own in zip(largest, kinds, strict=True) if own == kind])
            for kind in sorted(set(kinds))
        },
    }


def _levels(largest: list[float]) -> dict[str, float]:
    return {
        "largest_difference_levels": round(max(largest, default=0.0), 2),
        "median_of_the_cells_largest_levels": round(float(np.median(largest or [0.0])), 2),
    }


def _image(batch: EncodedBatch, place: int) -> Bytes:
    return batch.buffer[batch.offsets[place] : batch.offsets[place + 1]]


def jpeg_kind(image: Bytes) -> str:
    """What decides how alike two decoders are: chroma, and whether it is progressive.

    ``4:4:4``, ``4:2:0``, ``gray``, ``CMYK``; ``no JPEG`` of any other format.
    """
    with Image.open(io.BytesIO(image.tobytes())) as header:
        if not isinstance(header, JpegImageFile):
            return "no JPEG"
        if header.mode != "RGB":
            return {"L": "gray"}.get(header.mode, header.mode)
        sampling = _SAMPLING.get(get_sampling(header), "other chroma")
        return f"{sampling} progressive" if "progressive" in header.info else sampling
