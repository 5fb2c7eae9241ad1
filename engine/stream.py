"""The loop: encoded batches in, scored batches out, decoding and network side by side."""

from collections.abc import Generator, Iterable

import numpy as np

from bloodcell.engine.backends import Backend
from bloodcell.engine.batches import EncodedBatch, ImageBatch, ScoreBatch
from bloodcell.engine.decode import Decoder
from bloodcell.engine.prefetch import prefetched
from bloodcell.errors import EngineError

_QUEUE_DEPTH = 2


def score_stream(
    encoded: Iterable[EncodedBatch], decoder: Decoder, backend: Backend
) -> Generator[ScoreBatch]:
    """Score batches as they come; reading, decoding and the network each run in a thread.

    At most ``_QUEUE_DEPTH`` batches wait between two stages, so memory does not grow with the
    number of cells. Batches come out in the order they went in. Raises what a stage raises;
    closing the generator ends the threads.
    """
    read = prefetched(encoded, _QUEUE_DEPTH)
    decoded = prefetched(map(decoder.decode_batch, read), _QUEUE_DEPTH)
    try:
        for images in decoded:
            yield _score(images, backend)
    finally:
        decoded.close()
        read.close()


def _score(images: ImageBatch, backend: Backend) -> ScoreBatch:
    probabilities = np.full((len(images.rows), backend.class_count), np.nan, np.float32)
    if len(images.pixels):
        scored = backend.probabilities(images.pixels)
        without_numbers = np.isnan(scored).any(axis=1)
        if without_numbers.any():
            faulty = images.rows[images.reasons == 0][without_numbers]
            raise EngineError(
                f"the network gave logits that are no numbers for rows {faulty[:5].tolist()}: "
                "its weights or the card's preprocessing are at fault"
            )
        probabilities[images.reasons == 0] = scored
    return ScoreBatch(images.rows, images.reasons, probabilities)
