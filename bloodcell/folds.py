"""Patients dealt to folds, so that none is judged by what has learnt from it."""

import numpy as np
import numpy.typing as npt


def fold_of_patients(blast_share: npt.NDArray[np.float64], folds: int) -> npt.NDArray[np.int64]:
    """The fold of each patient, int64 (P,), 0 to ``folds - 1``.

    Dealt in the order of ``blast_share`` (P,), so that every fold holds patients with few and with
    many blasts. Folds stay empty where there are fewer patients.
    """
    fold = np.empty(len(blast_share), np.int64)
    fold[np.argsort(blast_share, kind="stable")] = np.arange(len(blast_share)) % folds
    return fold
