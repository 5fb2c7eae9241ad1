"""What passes between the engine's stages: batches, each carrying its row numbers.

No stage may rely on order: a row number travels with its cell from the source to the store.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from bloodcell.errors import ModelError


@dataclass(frozen=True)
class EncodedBatch:
    """N image files in one buffer, after the header gate."""

    rows: npt.NDArray[np.int64]
    """Row number of each cell, (N,)."""
    buffer: npt.NDArray[np.uint8]
    """The files' bytes, one after another."""
    offsets: npt.NDArray[np.int64]
    """Cell i has the bytes offsets[i] to offsets[i + 1], (N + 1,); none where rejected."""
    reasons: npt.NDArray[np.uint8]
    """Index into ``REASONS``, (N,); 0 where the header passed."""
    digests: npt.NDArray[np.uint8]
    """Of each file's bytes, a rejected one's too, (N, 16); zeros where nothing was read."""


@dataclass(frozen=True)
class DecodedBatch:
    """N images that come as pixels, of which D have sides that the gate lets pass."""

    rows: npt.NDArray[np.int64]
    reasons: npt.NDArray[np.uint8]
    """(N,); D of them are 0."""
    images: Sequence[Any]
    """RGB, each uint8 (height, width, 3), of the cells with reason 0, in the order of rows. NumPy
    arrays or, all of them, device memory by ``__cuda_array_interface__``."""
    digests: npt.NDArray[np.uint8]
    """Of each image's pixels, row by row, (N, 16); zeros for one in device memory."""
    on_device: bool = False
    """Whether they lie in device memory."""


Batch: TypeAlias = EncodedBatch | DecodedBatch
"""What a lane takes."""


@dataclass(frozen=True)
class ImageBatch:
    """The pixels of those D of N cells that could be decoded."""

    rows: npt.NDArray[np.int64]
    reasons: npt.NDArray[np.uint8]
    """(N,); D of them are 0."""
    pixels: npt.NDArray[np.float32]
    """(D, 3, input_px, input_px), on the CPU; the cells with reason 0, in the order of rows."""
    stained: npt.NDArray[np.bool_]
    """See ``is_stained``, (D,)."""


@dataclass(frozen=True)
class ScoreBatch:
    """Class probabilities of N cells."""

    rows: npt.NDArray[np.int64]
    reasons: npt.NDArray[np.uint8]
    probabilities: npt.NDArray[np.float32]
    """(N, C), calibrated, multiples of 2**-16; NaN where the cell was rejected."""
    digests: npt.NDArray[np.uint8]
    """As of the batch that was taken, (N, 16)."""
    stained: npt.NDArray[np.bool_]
    """See ``is_stained``, (N,); false where the cell was rejected."""


def joined_scores(batches: Iterable[ScoreBatch], class_count: int) -> ScoreBatch:
    """All of them as one, in order of their rows; without cells if there are none."""
    no_bytes, none_stained = np.zeros(0, np.uint8), np.zeros(0, np.bool_)
    digests = no_bytes.reshape(0, 16)
    none = scored_batch(
        np.zeros(0, np.int64), no_bytes, None, class_count, digests=digests, stained=none_stained
    )
    ordered = (none, *sorted(batches, key=lambda batch: int(batch.rows[0])))
    columns = (field.name for field in fields(ScoreBatch))
    return ScoreBatch(
        *(np.concatenate([getattr(one, name) for one in ordered]) for name in columns)
    )


def scored_batch(
    rows: npt.NDArray[np.int64],
    reasons: npt.NDArray[np.uint8],
    decoded: npt.NDArray[np.float32] | None,
    class_count: int,
    *,
    digests: npt.NDArray[np.uint8],
    stained: npt.NDArray[np.bool_],
) -> ScoreBatch:
    """Put what is known of those D of N cells that have reason 0 among the others.

    ``decoded``: probabilities (D, C), None for none; ``stained``: (D,). Raises ModelError if one of
    the probabilities is no number.
    """
    probabilities = np.full((len(rows), class_count), np.nan, np.float32)
    if decoded is not None:
        without_numbers = np.isnan(decoded).any(axis=1)
        if without_numbers.any():
            faulty = rows[reasons == 0][without_numbers]
            raise ModelError(
                f"the network gave logits that are no numbers for rows {faulty[:5].tolist()}: "
                "its weights or the card's preprocessing are at fault"
            )
        probabilities[reasons == 0] = decoded
    among_all = np.zeros(len(rows), np.bool_)
    among_all[reasons == 0] = stained
    return ScoreBatch(rows, reasons, probabilities, digests, among_all)
