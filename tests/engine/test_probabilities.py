"""Softmax, temperature and quantisation."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bloodcell.engine.probabilities import PROBABILITY_STEP, calibrated_probabilities


def test_two_equal_logits_share_alike() -> None:
    probabilities = calibrated_probabilities(np.array([[2.0, 2.0]], np.float32), 1.0)
    assert probabilities.tolist() == [[0.5, 0.5]]


def test_temperature_softens() -> None:
    logits = np.array([[np.log(4.0), 0.0]], np.float32)
    assert np.allclose(calibrated_probabilities(logits, 1.0), [[0.8, 0.2]], atol=PROBABILITY_STEP)
    assert np.allclose(
        calibrated_probabilities(logits, 2.0), [[2 / 3, 1 / 3]], atol=PROBABILITY_STEP
    )


def test_other_priors_divide_what_classes_without_a_ratio_leave() -> None:
    # 1/8, 3/8, 1/2: the first keeps its eighth; of 7/8 the second has 3 * 4 parts, the third 4 * 1.
    logits = np.log(np.array([[1, 3, 4]], np.float32))
    told = calibrated_probabilities(logits, 1.0, (0, 4, 1))
    assert told.tolist() == [[0.125, 0.65625, 0.21875]]


def test_where_nothing_is_left_to_divide_nothing_changes() -> None:
    logits = np.array([[2000, 0, 0], [0, 0, 0]], np.float32)
    told = calibrated_probabilities(logits, 1.0, (0, 4, 0.5))
    assert told[0].tolist() == [1, 0, 0]
    expected = calibrated_probabilities(logits, 1.0)
    assert np.array_equal(told[:, 0], expected[:, 0])
    assert np.array_equal(calibrated_probabilities(logits, 1.0, (0, 0, 0)), expected)


def test_a_row_whose_logits_are_no_numbers_is_nan_and_changes_no_other() -> None:
    logits = np.zeros((5, 3), np.float32)
    for row, wrong in enumerate((np.nan, np.inf, -np.inf)):
        logits[row, 1] = wrong
    probabilities = calibrated_probabilities(logits, 0.8)
    assert np.isnan(probabilities[:3]).all()
    assert np.array_equal(probabilities[3:], calibrated_probabilities(logits[3:], 0.8))


@settings(deadline=None)
@given(st.integers(1, 70), st.integers(2, 20), st.integers(0, 2**32 - 1))
def test_a_row_depends_on_itself_alone(cells: int, classes: int, seed: int) -> None:
    logits = np.random.default_rng(seed).normal(0, 9, (cells, classes)).astype(np.float32)
    together = calibrated_probabilities(logits, 1.3)
    alone = np.concatenate([calibrated_probabilities(row[None], 1.3) for row in logits])
    assert np.array_equal(together, alone)
    ratios = np.random.default_rng(seed).choice([0, 0.3, 5], classes)
    adjusted = calibrated_probabilities(logits, 1.3, ratios)
    alone = np.concatenate([calibrated_probabilities(row[None], 1.3, ratios) for row in logits])
    assert np.array_equal(adjusted, alone)
    assert np.array_equal(adjusted[:, ratios == 0], together[:, ratios == 0])
    steps = together / PROBABILITY_STEP
    assert np.array_equal(steps, np.rint(steps))
    assert np.abs(together.sum(axis=1) - 1).max() <= classes * PROBABILITY_STEP
    # Rounding may make the best two equal, but never puts another class before the best.
    best = np.take_along_axis(together, logits.argmax(axis=1)[:, None], axis=1)[:, 0]
    assert np.array_equal(best, together.max(axis=1))
