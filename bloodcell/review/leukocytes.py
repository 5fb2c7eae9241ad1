"""The cells that a patient's share is of: those that the network called leukocytes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bloodcell._core import STRATUM_EDGES
from bloodcell.error_model.histograms import bin_of, log_odds_of
from bloodcell.errors import InputError
from bloodcell.run import Run
from bloodcell.scheme import Scheme, load_scheme

STRATA = len(STRATUM_EDGES) + 1

BINS = 64
"""Of the histogram of log-odds; see `Accumulator.blast_histogram` in _core.pyi."""


@dataclass(frozen=True)
class Leukocytes:
    """One patient's, in the order of their rows."""

    row: npt.NDArray[np.int64]
    """(N,), ascending."""
    log_odds: npt.NDArray[np.float64]
    """Of blast, (N,)."""

    @property
    def stratum(self) -> npt.NDArray[np.int64]:
        """0 to 7, (N,)."""
        return np.digitize(self.log_odds, STRATUM_EDGES)

    @property
    def bin(self) -> npt.NDArray[np.uint8]:
        """0 to 63, (N,)."""
        return bin_of(self.log_odds).astype(np.uint8)


def counted_scheme(run: Run) -> Scheme:
    """The run's scheme as its profile and blast equivalents count it."""
    job = run.record.job
    return load_scheme(run.record.scheme).counted_as(job.profile, job.blast_equivalents)


def leukocytes_by_patient(run: Run, patient: str | None = None) -> Iterator[tuple[str, Leukocytes]]:
    """Name and leukocytes of each patient of ``run``, sorted by name, or of the one named.

    Raises InputError if there is no such patient, RunError if the run's files are damaged.
    """
    names = run.patients["patient"].to_pylist()
    if patient is not None and patient not in names:
        raise InputError(f"{run.folder} has no patient {patient!r}: it has {names[0]!r}, ...")
    scheme = counted_scheme(run)
    cells = run.cells(["row", "patient", "class", "blast_probability"])
    codes = np.array(scheme.codes)[scheme.is_leukocyte]
    cells = cells.filter(np.isin(cells["class"].to_numpy(), codes))
    rows, log_odds = cells["row"].to_numpy(), log_odds_of(cells["blast_probability"].to_numpy())
    owner = pc.index_in(cells["patient"], value_set=pa.array(names)).to_numpy()
    # Rows ascend within a run, and a stable sort keeps them so within a patient.
    by_patient = np.split(
        np.argsort(owner, kind="stable"), np.bincount(owner, minlength=len(names)).cumsum()[:-1]
    )
    for name, own in zip(names, by_patient, strict=True):
        if patient in (None, name):
            yield name, Leukocytes(rows[own], log_odds[own])
