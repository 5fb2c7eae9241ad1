"""By how much the pixels of a GPU's decoder differ from the CPU's, and what it refuses.

Measured on the network's input: after cropping and resizing, which are done where an image is
decoded.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bloodcell.bench.sample import pixels_on_host
from bloodcell.engine.batches import EncodedBatch
from bloodcell.engine.decode import Decoder
from bloodcell.engine.device_decode import DeviceBatch, DeviceDecoder
from bloodcell.engine.source import batches_of, read_files

_JPEG_FIRST_BYTE = 0xFF


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
    largest = [0.0]
    for batch in batches:
        on_device, on_host = device.decode_batch(batch), host.decode_batch(batch)
        stream.synchronize()
        decoded, expected = on_device.reasons == 0, on_host.reasons == 0
        both = decoded & expected
        pixels, expected_pixels = (
            pixels_on_host(images)[both[images.reasons == 0]] for images in (on_device, on_host)
        )
        largest += (scale * np.abs(pixels - expected_pixels)).max(axis=(1, 2, 3)).tolist()
        cells += int(both.sum())
        one_alone += int((decoded != expected).sum())
        is_jpeg = batch.buffer[batch.offsets[np.flatnonzero(decoded)]] == _JPEG_FIRST_BYTE
        jpegs += int(is_jpeg.sum())
        refused += int(is_jpeg.sum()) - _on_device(on_device)
    return {
        "cells": cells,
        "jpegs": jpegs,
        "jpegs_refused_by_gpu": refused,
        "decoded_by_one_alone": one_alone,
        "largest_difference_levels": round(max(largest), 2),
        "median_of_the_cells_largest_levels": round(float(np.median(largest[1:])), 2),
    }


def _on_device(images: DeviceBatch) -> int:
    """How many cells the GPU decoded."""
    return sum(len(p.places) for p in images.parts if type(p.pixels) is not np.ndarray)
