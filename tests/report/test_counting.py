"""As sure as counting so many cells by hand."""

import numpy as np

from bloodcell._core import clopper_pearson
from bloodcell.report.counting import MOST_CELLS, cells_counted_by_hand


def test_an_interval_of_a_count_by_hand_gives_that_count() -> None:
    hits, cells = np.array([40, 0, 100, 250, 3]), np.array([200, 100, 100, 500, 100])
    interval = clopper_pearson(hits, cells)
    by_hand = cells_counted_by_hand(hits / cells, interval["low"], interval["high"])
    assert by_hand.tolist() == cells.tolist()


def test_what_is_not_known_is_as_sure_as_no_cell_and_a_point_as_the_most() -> None:
    share = np.array([np.nan, 0.2])
    by_hand = cells_counted_by_hand(share, np.array([np.nan, 0.2]), np.array([np.nan, 0.2]))
    assert by_hand.tolist() == [0, MOST_CELLS - 1]
