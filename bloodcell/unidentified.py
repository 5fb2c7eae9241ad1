"""Cells that are more likely something else than what they are called.

Such a cell is *unidentified*. It counts as every other: by its blast probability, and as its most
probable class. That a person had better look at it is said beside.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

LEAST_TOP_PROBABILITY = 0.5
"""A cell whose most probable class has less is unidentified.

Chow's rule (C. K. Chow 1970, "On optimum recognition error and reject tradeoff", IEEE Transactions
on Information Theory 16:41): of calibrated probabilities, a cell is best left to a reader where the
largest is under 1 - (cost of a look / cost of a wrong call). Here a look costs half of a wrong
call. ``csrc/embedding/src/patient_counts.cpp`` has the same number.
"""


def probabilities_of(part: pa.Table) -> npt.NDArray[np.float32]:
    """The column ``probabilities`` of N rows of ``cells/``, (N, C); NaN where rejected."""
    column = part["probabilities"]
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    rows: npt.NDArray[np.float32] = flat.reshape(-1, column.type.list_size)
    return rows


def is_unidentified(probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Of N cells with (N, C) stored probabilities, (N,); False for a rejected one."""
    unsure: npt.NDArray[np.bool_] = probabilities.max(axis=1) < LEAST_TOP_PROBABILITY
    return unsure
