"""Accumulators small enough to check by eye, for the tests of the accumulator."""

import numpy as np
from numpy.typing import ArrayLike

from bloodcell._core import Accumulator

# Three classes unless said otherwise: 0 a blast, 1 another leukocyte, 2 an artefact.
IS_BLAST = np.array([True, False, False])
IS_LEUKOCYTE = np.array([True, True, False])


def make(
    patients: int = 2,
    suspicious: int = 2,
    is_blast: np.ndarray = IS_BLAST,
    is_leukocyte: np.ndarray = IS_LEUKOCYTE,
) -> Accumulator:
    return Accumulator(patients, is_blast, is_leukocyte, suspicious)


def cells(
    patients: ArrayLike, rows: ArrayLike, probabilities: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.array(patients, dtype=np.int32),
        np.array(rows, dtype=np.int64),
        np.array(probabilities, dtype=np.float32),
    )


def example() -> Accumulator:
    """One blast, one other leukocyte and an artefact of patient 1; nothing of patient 0."""
    accumulator = make()
    accumulator.add(*cells([1, 1, 1], [10, 11, 12], [[0.75, 0.25, 0], [0.25, 0.75, 0], [0, 0, 1]]))
    accumulator.reject(np.array([1], dtype=np.int32), np.array([3], dtype=np.uint8))
    return accumulator
