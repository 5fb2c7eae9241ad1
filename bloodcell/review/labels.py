"""What signed reviews tell of how the network errs: labels of cells that were drawn at random."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bloodcell.review.folder import reviewed_cells, reviewed_patients
from bloodcell.review.leukocytes import STRATA, Leukocytes, counted_scheme, leukocytes_by_patient
from bloodcell.review.standing import as_they_count, told
from bloodcell.run import Run


@dataclass(frozen=True)
class SignedLabels:
    """Of one patient's leukocytes by the network that were drawn and looked at; arrays (M,)."""

    patient: str
    log_odds: npt.NDArray[np.float64]
    """Of blast, by the network."""
    is_blast: npt.NDArray[np.bool_]
    weight: npt.NDArray[np.float64]
    """How many cells of the patient each stands for: those of its stratum over those seen."""


def signed_labels(run: Run) -> Iterator[SignedLabels]:
    """Of each patient of ``run`` whose result is final; RunError for damaged tables.

    A cell that a reader clicked, and nobody drew, says nothing of the others and is left out; so is
    one of which readers cannot tell what it is.
    """
    cells, scheme = reviewed_cells(run), counted_scheme(run)
    final = {name for name, row in reviewed_patients(run).items() if row["status"] == "final"}
    if cells is None or not final:
        return
    blasts = {
        one.code for one, is_blast in zip(scheme.classes, scheme.is_blast, strict=True) if is_blast
    }
    drawn = {
        cell["row"]: cell["reviewed_class"] in blasts
        for cell in told(as_they_count(cells)).to_pylist()
        if cell["planned"]
    }
    for name, leukocytes in leukocytes_by_patient(run, final):
        yield _of_patient(name, leukocytes, drawn)


def _of_patient(name: str, leukocytes: Leukocytes, drawn: dict[int, bool]) -> SignedLabels:
    seen = np.flatnonzero(np.isin(leukocytes.row, list(drawn)))
    stratum = leukocytes.stratum
    all_cells = np.bincount(stratum, minlength=STRATA)
    seen_cells = np.bincount(stratum[seen], minlength=STRATA)
    return SignedLabels(
        patient=name,
        log_odds=leukocytes.log_odds[seen].astype(np.float64),
        is_blast=np.array([drawn[row] for row in leukocytes.row[seen].tolist()], np.bool_),
        weight=(all_cells / np.maximum(seen_cells, 1))[stratum[seen]],
    )
