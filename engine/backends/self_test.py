"""What every backend must pass before it may score: a few inputs, the same at every load."""

import numpy as np
import numpy.typing as npt

from bloodcell.engine.backends.contract import USE_REFERENCE, Backend
from bloodcell.errors import EngineError

_GOLDEN_CELLS = 4
_WAVES = 6

Pixels = npt.NDArray[np.float32]


def prove(
    backend: Backend,
    reference: Backend | None,
    *,
    input_px: int,
    largest_difference: float,
    rows: int,
) -> None:
    """EngineError, with the numbers, unless ``backend`` gives right and independent rows.

    ``reference`` computes in FP32 (None: there is no other to compare with), and no probability
    may differ from its by more than ``largest_difference``. ``rows``: cells in the largest batch
    tried, more than the backend takes in one pass.
    """
    golden = golden_pixels(input_px)
    expected = backend.probabilities(golden)
    if reference is not None:
        _check_difference(expected, reference.probabilities(golden), largest_difference)
    backwards = backend.probabilities(golden[::-1].copy())[::-1]
    _check_bits("in reversed order", backwards, expected)
    alone = [backend.probabilities(golden[[row]]) for row in range(len(golden))]
    _check_bits("each alone", np.concatenate(alone), expected)
    order = np.arange(rows) * 3 % len(golden)
    companions = backend.probabilities(golden[order])
    _check_bits(f"among {rows} others", companions, expected[order])


def golden_pixels(input_px: int) -> Pixels:
    """Smooth images in the range of normalised pixels, float32 (4, 3, input_px, input_px)."""
    generator = np.random.default_rng(20261124)
    waves = generator.normal(0, 0.5, (_GOLDEN_CELLS, 3, _WAVES, _WAVES))
    places = (np.arange(input_px) + 0.5) / input_px
    cosines = np.cos(np.pi * np.outer(np.arange(_WAVES), places))
    images = np.einsum("ncij,ih,jw->nchw", waves, cosines, cosines, optimize=True)
    return np.ascontiguousarray(images.clip(-2.5, 2.5), np.float32)


def _check_difference(given: Pixels, expected: Pixels, allowed: float) -> None:
    difference = float(np.abs(given - expected).max()) if given.shape == expected.shape else np.nan
    # Written so that a NaN is refused as well.
    if not difference <= allowed:
        raise EngineError(
            f"the backend is refused: its probabilities differ by {difference:.3g} from FP32 on "
            f"the CPU, at most {allowed:g} is allowed. {USE_REFERENCE}"
        )


def _check_bits(how: str, given: Pixels, expected: Pixels) -> None:
    if given.shape == expected.shape and np.array_equal(given, expected, equal_nan=True):
        return
    wrong = (given != expected).any(axis=1) if given.shape == expected.shape else [True]
    raise EngineError(
        f"the backend is refused: {int(np.sum(wrong))} of {len(expected)} cells scored {how} got "
        f"other bits, none is allowed. {USE_REFERENCE}"
    )
