"""The peer of reviewed shares that stands in the helpers, against the package of its authors."""

import numpy as np
import pytest
from helpers.prediction_powered import prediction_powered


@pytest.mark.parametrize(
    ("labels", "by_package"), [(20, (0.285736, 0.627036)), (50, (0.349535, 0.564010))]
)
def test_prediction_powered_intervals_are_those_of_its_authors_package(
    labels: int, by_package: tuple[float, float]
) -> None:
    # ppi_mean_ci of ppi-python 0.2.3, which divides variances by n where the helper does by n - 1.
    cells = 200
    prediction = (np.arange(cells) * 37 % 101) / 101
    truth = (np.arange(cells) * 61 % 97) / 97 < prediction**1.3
    drawn = np.arange(labels) * 13 % cells
    _, low, high = prediction_powered(truth[drawn].astype(float), prediction[drawn], prediction)
    wider = np.sqrt(labels / (labels - 1))
    middle, half = (by_package[0] + by_package[1]) / 2, (by_package[1] - by_package[0]) / 2
    assert (low, high) == pytest.approx((middle - wider * half, middle + wider * half), abs=3e-4)
