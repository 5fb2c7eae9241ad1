"""Logits to calibrated, quantised probabilities against softmax of NumPy and SciPy."""

import numpy as np
import pytest
import scipy.special
from sizes import cells

from bloodcell.engine.probabilities import PROBABILITY_STEP, calibrated_probabilities

CLASSES = 18
TEMPERATURE = 0.945


@pytest.fixture(params=[64, cells(100_000)], ids=lambda rows: f"{rows}_rows")
def logits(request, benchmark) -> np.ndarray:
    benchmark.group = f"softmax and calibration, {request.param} cells"
    normal = np.random.default_rng(0).standard_normal((request.param, CLASSES))
    return (4 * normal).astype(np.float32)


def by_numpy(logits: np.ndarray) -> np.ndarray:
    scaled = logits / np.float32(TEMPERATURE)
    scaled -= scaled.max(axis=1, keepdims=True)
    np.exp(scaled, out=scaled)
    scaled /= scaled.sum(axis=1, keepdims=True)
    return scaled


def in_float64(logits: np.ndarray) -> np.ndarray:
    exponential = np.exp(logits.astype(np.float64) / TEMPERATURE)
    return exponential / exponential.sum(axis=1, keepdims=True)


def test_calibrated_probabilities(benchmark, logits):
    probabilities = benchmark(calibrated_probabilities, logits, TEMPERATURE)
    assert np.abs(probabilities - in_float64(logits)).max() <= PROBABILITY_STEP
    steps = probabilities / PROBABILITY_STEP
    assert np.array_equal(steps, np.rint(steps))


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-6), (np.float32, 1e-5)])
def test_scipy_softmax(benchmark, logits, dtype, tolerance):
    softmax = benchmark(lambda: scipy.special.softmax(logits / dtype(TEMPERATURE), axis=1))
    np.testing.assert_allclose(softmax, in_float64(logits), atol=tolerance)


def test_numpy_softmax_in_float32(benchmark, logits):
    np.testing.assert_allclose(benchmark(by_numpy, logits), in_float64(logits), atol=1e-5)
