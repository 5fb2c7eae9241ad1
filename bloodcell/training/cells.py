"""Images of labelled cells, decoded once by the scoring graph and kept in memory."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from bloodcell._core import REASONS
from bloodcell.engine.decode import Decoder
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.engine.source import batches_of, read_files
from bloodcell.errors import InputError
from bloodcell.rejections import REJECTED_AS
from bloodcell.training.sources import SourceCells

_BATCH = 64


def decode_pixels(
    sources: list[SourceCells], rows: torch.Tensor, preprocessing: Preprocessing, threads: int
) -> torch.Tensor:
    """The network's input for the cells ``rows``, int64 (n,) ascending, bit-equal to scoring's.

    float32 (n, 3, input_px, input_px). Raises InputError naming the first image that scoring would
    reject, and why.
    """
    side = preprocessing.input_px
    out = torch.empty(len(rows), 3, side, side)
    begin = 0
    for pixels in _decoded(sources, rows.numpy(), preprocessing, threads):
        out[begin : begin + len(pixels)] = torch.from_numpy(pixels)
        begin += len(pixels)
    return out


def decode_canvases(
    sources: list[SourceCells], preprocessing: Preprocessing, threads: int
) -> torch.Tensor:
    """All cells with their surroundings, which views are cut from, uint8 (N, 3, S, S).

    The whole image at the scale of ``preprocessing``, rounded to a byte a colour: a float would
    take twice the memory or more and knows no more than the image. Raises as ``decode_pixels``.
    """
    whole = replace(
        preprocessing,
        input_px=round(preprocessing.input_px / preprocessing.region),
        region=1.0,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
    )
    count = sum(len(one.labels) for one in sources)
    out = torch.empty(count, 3, whole.input_px, whole.input_px, dtype=torch.uint8)
    begin = 0
    for pixels in _decoded(sources, np.arange(count), whole, threads):
        rounded = np.rint(pixels * 255).clip(0, 255).astype(np.uint8)
        out[begin : begin + len(pixels)] = torch.from_numpy(rounded)
        begin += len(pixels)
    return out


def _decoded(
    sources: list[SourceCells],
    rows: npt.NDArray[np.int64],
    preprocessing: Preprocessing,
    threads: int,
) -> Iterator[npt.NDArray[np.float32]]:
    """The pixels of ``rows``, which count through all sources, batch by batch in their order."""
    decoder = Decoder(preprocessing, batch_size=_BATCH, threads=threads)
    first = 0
    for one in sources:
        own = rows[(rows >= first) & (rows < first + len(one.labels))] - first
        first += len(one.labels)
        chosen = one.images.take(pa.array(own))
        for encoded in read_files(one.root, batches_of(chosen, _BATCH)):
            images = decoder.decode_batch(encoded)
            if images.reasons.any():
                bad = int(images.reasons.argmax())
                path = one.images["path"][int(images.rows[bad])]
                raise InputError(
                    f"training image {one.root}/{path} would be rejected: "
                    f"{REJECTED_AS[REASONS[images.reasons[bad]]]}"
                )
            yield images.pixels
