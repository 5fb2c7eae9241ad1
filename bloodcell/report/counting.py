"""What cells are worth as a sample of the blood, and how many counted by hand would be as sure."""

import numpy as np
import numpy.typing as npt

from bloodcell._core import clopper_pearson

Floats = npt.NDArray[np.float64]

MOST_CELLS = 100_000


def of_blood(
    share: Floats, low: Floats, high: Floats, cells: npt.NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Ends of 95 % of the share in the blood that ``cells`` leukocytes are a sample of.

    Shares and the ends of what is known of these cells, all of 0 to 1, (N,); NaN stays. The exact
    interval of a count (Clopper & Pearson 1934) is added in squares (MOVER; Zou & Donner 2008).
    """
    known, trials = np.nan_to_num(share), np.maximum(cells, 1)
    counted = clopper_pearson(np.rint(known * trials).astype(np.int64), trials)
    below = np.hypot(share - low, np.maximum(share - counted["low"], 0))
    above = np.hypot(high - share, np.maximum(counted["high"] - share, 0))
    return np.maximum(share - below, 0), np.minimum(share + above, 1)


def cells_counted_by_hand(share: Floats, low: Floats, high: Floats) -> npt.NDArray[np.int64]:
    """The number of cells whose count by hand has an interval as wide, int64 (N,).

    All of 0 to 1, (N,). Counting n cells without any error gives the share of a binomial, whose
    exact 95 % interval (Clopper & Pearson 1934) narrows as n grows: found by halving, between 1
    and 100,000 cells. NaN gives 0.
    """
    is_known = ~np.isnan(share)
    share, width = np.where(is_known, share, 0.5), np.where(is_known, high - low, 1)
    least, most = np.ones(len(share), np.int64), np.full(len(share), MOST_CELLS)
    while (most - least > 1).any():
        middle = (least + most) // 2
        interval = clopper_pearson(np.rint(share * middle).astype(np.int64), middle)
        is_wider = interval["high"] - interval["low"] >= width
        least, most = np.where(is_wider, middle, least), np.where(is_wider, most, middle)
    return np.where(is_known, least, 0)
