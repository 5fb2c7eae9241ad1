"""An imported network against what made it: the same images, the source's arithmetic and ours."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bloodcell.engine.backends.onnx.session import session_of
from bloodcell.engine.backends.self_test import golden_pixels
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.errors import ModelError
from bloodcell.importing.description import Description
from bloodcell.importing.graph import PIXELS
from bloodcell.importing.source import Array, SourceNetwork

LARGEST_DIFFERENCE = 1e-4
"""Of a probability, and of a logit where logits are of that size or smaller than 1."""
_BETWEEN = 1e-3


@dataclass(frozen=True)
class Agreement:
    """How far apart the two are at most."""

    images: int
    probability_difference: float
    logit_difference: float
    """As a share of the largest logit if that is above 1; NaN where the source gives none."""


def golden_images(preprocessing: Preprocessing) -> Array:
    """Images as the network sees them, float32 (6, 3, input_px, input_px): waves and noise.

    Whole levels of 8 bits, normalised; the noise is there for the padding at the edges.
    """
    side = preprocessing.input_px
    waves = (golden_pixels(side) + 2.5) / 5.0
    noise = np.random.default_rng(20261127).random((2, 3, side, side))
    levels = np.rint(255 * np.concatenate([waves, noise])) / 255
    mean, std = (np.array(v).reshape(3, 1, 1) for v in (preprocessing.mean, preprocessing.std))
    return np.ascontiguousarray((levels - mean) / std, np.float32)


def compare(
    source: SourceNetwork, onnx_bytes: bytes, description: Description, class_count: int
) -> Agreement:
    """ModelError, with the numbers, unless both give the same of all golden images."""
    pixels = golden_images(description.preprocessing)
    expected = source.outputs(in_order(pixels, description)).astype(np.float64)
    _check_what_it_gives(expected, gives_probabilities=source.gives_probabilities)
    merged, left = merged_outputs(expected, description, logits=not source.gives_probabilities)
    if left != class_count:
        raise ModelError(
            f"the network gives {expected.shape[1]} outputs, of which {left} are left after "
            f"{len(description.merge)} merges and without {len(description.background)} of the "
            f"background: the scheme has {class_count} classes. State [[merge]] (column, into) or "
            "background, or choose another scheme"
        )
    logits = _by_onnx_runtime(onnx_bytes, pixels)
    together = merged if source.gives_probabilities else _softmax(merged)
    probability = float(np.abs(_softmax(logits) - together).max())
    logit = float("nan")
    if not source.gives_probabilities:
        logit = float(np.abs(logits - merged).max()) / max(1.0, float(np.abs(merged).max()))
    # Written so that a NaN of what is compared is refused as well.
    if not probability <= LARGEST_DIFFERENCE or logit > LARGEST_DIFFERENCE:
        raise ModelError(
            f"the import is refused: of {len(pixels)} golden images a probability differs by "
            f"{probability:.3g} and a logit by {logit:.3g} (of the largest) from what the source "
            f"gives, at most {LARGEST_DIFFERENCE:g} is allowed"
        )
    return Agreement(len(pixels), probability, logit)


def in_order(pixels: Array, description: Description) -> Array:
    """The pixels with their channels as the source takes them."""
    backwards = description.channel_order == "BGR"
    return np.ascontiguousarray(pixels[:, ::-1]) if backwards else pixels


def merged_outputs(
    outputs: npt.NDArray[np.float64], description: Description, *, logits: bool
) -> tuple[npt.NDArray[np.float64], int]:
    """What is left of outputs (N, R) by the description's merges and background, and how many."""
    result = outputs.copy()
    for one in description.merge:
        both = result[:, one.into], result[:, one.column]
        result[:, one.into] = np.logaddexp(*both) if logits else both[0] + both[1]
    gone = [*(one.column for one in description.merge), *description.background]
    left = np.delete(result, gone, axis=1)
    if not logits and description.background:
        left /= left.sum(axis=1, keepdims=True)
    return left, left.shape[1]


def _check_what_it_gives(outputs: npt.NDArray[np.float64], *, gives_probabilities: bool) -> None:
    if not np.isfinite(outputs).all():
        raise ModelError("the source network gives values that are not finite")
    sums = outputs.sum(axis=1)
    are = bool((outputs >= 0).all() and np.abs(sums - 1).max() < _BETWEEN)
    if gives_probabilities and not are:
        raise ModelError("the source network ends in a softmax over something else than classes")
    if are and not gives_probabilities:
        raise ModelError(
            "the source network gives probabilities by something other than a softmax at its end: "
            "export it without, so that it gives logits"
        )


def _by_onnx_runtime(onnx_bytes: bytes, pixels: Array) -> npt.NDArray[np.float64]:
    session = session_of(onnx_bytes)
    try:
        logits = session.run(None, {PIXELS: pixels})[0]
    except Exception as error:  # ONNX Runtime's own exceptions share no public base
        raise ModelError(
            f"the network does not take a batch of {len(pixels)} images: export it with a free "
            f"first axis ({str(error).splitlines()[0]})"
        ) from error
    return np.asarray(logits, np.float64)


def _softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    normalised: npt.NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return normalised
