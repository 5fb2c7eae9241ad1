"""What the default network makes of a picture is what it makes of its pixels."""

import io
from collections import Counter

import numpy as np
from helpers.pictures import PICTURES, Pixels, gated
from PIL import Image

from bloodcell.engine.backends.onnxruntime import OnnxRuntimeBackend
from bloodcell.engine.decode import Decoder
from bloodcell.model import load_model

AGREES = 0.01
"""Blast probability."""


def as_png(pixels: Pixels) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, "PNG", compress_level=1)
    return out.getvalue()


def test_pictures_get_what_their_pixels_get_as_png() -> None:
    model = load_model()
    pictures = [picture for picture in PICTURES.values() if picture.right is not None]
    pngs = [as_png(picture.right) for picture in pictures if picture.right is not None]
    decoder = Decoder(model.preprocessing, batch_size=2 * len(pictures), threads=2)
    images = decoder.decode_batch(gated([picture.data for picture in pictures] + pngs))
    assert not images.reasons.any()
    backend = OnnxRuntimeBackend(model.network, threads=2)
    probabilities = backend.probabilities(images.pixels)
    blast = probabilities[:, model.scheme.codes.index("blast_no_lineage_spec")]
    agrees = np.abs(blast[: len(pictures)] - blast[len(pictures) :]) <= AGREES
    rejected = Counter(picture.outcome for picture in PICTURES.values() if picture.right is None)
    print(  # noqa: T201 - the figures are what this test is for
        f"{len(pictures)} pictures scored, {agrees.sum()} within {AGREES}; rejected: {rejected}"
    )
    assert agrees.all()
