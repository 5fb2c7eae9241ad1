"""Each check of the self-test refuses a backend that is broken in its way."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from bloodcell.engine.backends.self_test import golden_pixels, prove
from bloodcell.engine.probabilities import calibrated_probabilities
from bloodcell.errors import EngineError

Array = npt.NDArray[np.float32]
SIDE = 16
CLASSES = 3


@dataclass
class Sound:
    """A linear network; each row by itself."""

    class_count: int = CLASSES

    def probabilities(self, pixels: Array) -> Array:
        weights = np.random.default_rng(0).normal(0, 1, (pixels[0].size, CLASSES))
        rows = [row.reshape(-1).astype(np.float64) @ weights / 8 for row in pixels]
        return calibrated_probabilities(np.array(rows, np.float32), 1.0)


class Shifted(Sound):
    def probabilities(self, pixels: Array) -> Array:
        return np.roll(super().probabilities(pixels), 1, axis=0)


class Accompanied(Sound):
    """The companions' mean enters."""

    def probabilities(self, pixels: Array) -> Array:
        return super().probabilities(pixels + np.float32(0.01) * pixels.mean(axis=0))


class Positional(Sound):
    """Right in the first pass of four cells, a step off after it."""

    def probabilities(self, pixels: Array) -> Array:
        probabilities = super().probabilities(pixels)
        probabilities[4:, 0] += np.float32(2.0**-16)
        return probabilities


class OrderDependent(Sound):
    """Alone it is right; in company the first row differs."""

    def probabilities(self, pixels: Array) -> Array:
        probabilities = super().probabilities(pixels)
        probabilities[0, 0] += np.float32(2.0**-16) * (len(pixels) > 1)
        return probabilities


class Noisy(Sound):
    def probabilities(self, pixels: Array) -> Array:
        probabilities = super().probabilities(pixels)
        return probabilities + np.random.default_rng().normal(0, 1e-4, probabilities.shape).astype(
            np.float32
        )


class Coarse(Sound):
    def probabilities(self, pixels: Array) -> Array:
        return super().probabilities(pixels * np.float32(1.1))


class WithoutNumbers(Sound):
    def probabilities(self, pixels: Array) -> Array:
        return super().probabilities(pixels) * np.float32(np.nan)


def proved(backend: Sound, *, reference: bool) -> None:
    prove(backend, Sound() if reference else None, input_px=SIDE, largest_difference=1e-3, rows=6)


def test_golden_cells_are_smooth_unlike_and_always_the_same() -> None:
    golden = golden_pixels(64)
    assert golden.shape == (4, 3, 64, 64)
    assert golden.dtype == np.float32
    assert 1 < np.abs(golden).max() <= 2.5
    assert np.abs(np.diff(golden, axis=3)).max() < 1
    assert np.array_equal(golden, golden_pixels(64))
    assert len(np.unique(Sound().probabilities(golden_pixels(SIDE)), axis=0)) == 4


def test_a_sound_backend_passes() -> None:
    proved(Sound(), reference=True)
    proved(Sound(), reference=False)


@pytest.mark.parametrize(
    ("backend", "message"),
    [
        (Shifted(), r"4 of 4 cells scored in reversed order got other bits"),
        (OrderDependent(), r"2 of 4 cells scored in reversed order"),
        (Noisy(), r"4 of 4 cells scored in reversed order"),
        (Accompanied(), r"4 of 4 cells scored each alone"),
        (Positional(), r"2 of 6 cells scored among 6 others"),
    ],
)
def test_rows_that_are_not_independent_are_refused(backend: Sound, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        proved(backend, reference=False)


@pytest.mark.parametrize("backend", [Shifted(), Coarse(), WithoutNumbers()])
def test_results_far_from_the_reference_are_refused(backend: Sound) -> None:
    with pytest.raises(EngineError, match=r"refused: its probabilities differ by .*0\.001 is allo"):
        proved(backend, reference=True)
