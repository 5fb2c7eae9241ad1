"""Figures that compare scores with labels, against counting by hand."""

import numpy as np
import pytest

from bloodcell.metrics import auroc, calibration_bin, expected_calibration_error, roc_curve


def test_auroc_counts_pairs_in_order_and_ties_half() -> None:
    scores = np.array([0.1, 0.4, 0.4, 0.8])
    positive = np.array([False, False, True, True])
    pairs = [(p, n) for p in scores[positive] for n in scores[~positive]]
    by_hand = np.mean([1.0 if p > n else 0.5 if p == n else 0.0 for p, n in pairs])
    assert auroc(scores, positive) == by_hand == 0.875
    assert np.isnan(auroc(scores, np.zeros(4, bool)))


def test_the_roc_curve_has_a_point_at_each_corner_and_none_between() -> None:
    alarms, hits, threshold = roc_curve(
        [0.9, 0.8, 0.5, 0.5, 0.2, 0.1], [True, True, True, False, False, False]
    )
    # Up by two blasts at once, slanting over the tie at 0.5, then along the top.
    assert hits.tolist() == [0, 2 / 3, 1, 1]
    assert alarms.tolist() == [0, 0, 1 / 3, 1]
    assert threshold.tolist() == [np.inf, 0.8, 0.5, 0.1]


def test_the_area_under_the_curve_is_the_auroc() -> None:
    generator = np.random.default_rng(0)
    scores, positive = generator.integers(0, 30, 200) / 30, generator.random(200) < 0.3
    alarms, hits, _ = roc_curve(scores, positive)
    area = np.sum(np.diff(alarms) * (hits[1:] + hits[:-1]) / 2)
    assert area == pytest.approx(auroc(scores, positive), abs=1e-12)


def test_calibration_error_of_a_coin_called_nine_tenths() -> None:
    probability = np.full(100, 0.9)
    positive = np.arange(100) < 50
    assert expected_calibration_error(probability, positive) == pytest.approx(0.4)


def test_bins_of_probability_are_fifteenths_and_one_is_in_the_last() -> None:
    assert calibration_bin([0.0, 0.06, 0.07, 0.5, 0.99, 1.0]).tolist() == [0, 0, 1, 7, 14, 14]
