"""Logits to calibrated, quantised probabilities against softmax of NumPy and SciPy."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.special
from pytest_benchmark.fixture import BenchmarkFixture
from sizes import cells

from bloodcell.engine.probabilities import PROBABILITY_STEP, calibrated_probabilities

CLASSES = 18
TEMPERATURE = 0.945

Logits = npt.NDArray[np.float32]


@pytest.fixture(params=[64, cells(100_000)], ids=lambda rows: f"{rows}_rows")
def logits(request: pytest.FixtureRequest, benchmark: BenchmarkFixture) -> Logits:
    benchmark.group = f"softmax and calibration, {request.param} cells"
    normal = np.random.default_rng(0).standard_normal((request.param, CLASSES))
    return (4 * normal).astype(np.float32)


def by_numpy(logits: Logits) -> npt.NDArray[np.float32]:
    scaled = logits / np.float32(TEMPERATURE)
    scaled -= scaled.max(axis=1, keepdims=True)
    np.exp(scaled, out=scaled)
    scaled /= scaled.sum(axis=1, keepdims=True)
    return scaled


def in_float64(logits: Logits) -> npt.NDArray[np.float64]:
    exponential = np.exp(logits.astype(np.float64) / TEMPERATURE)
    softmax: npt.NDArray[np.float64] = exponential / exponential.sum(axis=1, keepdims=True)
    return softmax


def test_calibrated_probabilities(benchmark: BenchmarkFixture, logits: Logits) -> None:
    probabilities = benchmark(calibrated_probabilities, logits, TEMPERATURE)
    assert np.abs(probabilities - in_float64(logits)).max() <= PROBABILITY_STEP
    steps = probabilities / PROBABILITY_STEP
    assert np.array_equal(steps, np.rint(steps))


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-6), (np.float32, 1e-5)])
def test_scipy_softmax(
    benchmark: BenchmarkFixture,
    logits: Logits,
    dtype: type[np.floating[Any]],
    tolerance: float,
) -> None:
    softmax = benchmark(lambda: scipy.special.softmax(logits / dtype(TEMPERATURE), axis=1))
    np.testing.assert_allclose(softmax, in_float64(logits), atol=tolerance)


def test_numpy_softmax_in_float32(benchmark: BenchmarkFixture, logits: Logits) -> None:
    np.testing.assert_allclose(benchmark(by_numpy, logits), in_float64(logits), atol=1e-5)
