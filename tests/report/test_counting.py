"""As sure as counting so many cells by hand."""

import numpy as np
import pytest

from bloodcell._core import clopper_pearson
from bloodcell.report.counting import MOST_CELLS, cells_counted_by_hand, of_blood


def test_an_interval_of_a_count_by_hand_gives_that_count() -> None:
    hits, cells = np.array([40, 0, 100, 250, 3]), np.array([200, 100, 100, 500, 100])
    interval = clopper_pearson(hits, cells)
    by_hand = cells_counted_by_hand(hits / cells, interval["low"], interval["high"])
    assert by_hand.tolist() == cells.tolist()


def test_what_is_not_known_is_as_sure_as_no_cell_and_a_point_as_the_most() -> None:
    share = np.array([np.nan, 0.2])
    by_hand = cells_counted_by_hand(share, np.array([np.nan, 0.2]), np.array([np.nan, 0.2]))
    assert by_hand.tolist() == [0, MOST_CELLS - 1]


def test_cells_that_are_all_known_are_a_count_of_the_blood() -> None:
    share, cells = np.array([0.2, 0.0, 1.0, np.nan]), np.array([50, 1, 1, 0])
    low, high = of_blood(share, share, share, cells)
    counted = clopper_pearson(np.array([10, 0, 1]), np.array([50, 1, 1]))
    assert low[:3].tolist() == pytest.approx(counted["low"].tolist())
    assert high[:3].tolist() == pytest.approx(counted["high"].tolist())
    assert np.isnan([low[3], high[3]]).all()
    assert cells_counted_by_hand(share, low, high).tolist() == [50, 1, 1, 0]


def test_what_is_open_of_the_cells_and_of_the_blood_is_added_in_squares() -> None:
    low, high = of_blood(*(np.array([x]) for x in (0.2, 0.1, 0.35)), np.array([100]))
    counted = clopper_pearson(np.array([20]), np.array([100]))[0]
    assert low[0] == pytest.approx(0.2 - np.hypot(0.1, 0.2 - counted["low"]))
    assert high[0] == pytest.approx(0.2 + np.hypot(0.15, counted["high"] - 0.2))
