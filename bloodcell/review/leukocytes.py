"""The cells that a patient's share is of: those that the network called leukocytes."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bloodcell._core import STRATUM_EDGES
from bloodcell.error_model.histograms import bin_of, log_odds_of
from bloodcell.errors import InputError
from bloodcell.run import Run
from bloodcell.scheme import Scheme

STRATA = len(STRATUM_EDGES) + 1

BINS = 64
"""Of the histogram of log-odds; see `Accumulator.blast_histogram` in _core.pyi."""


@dataclass(frozen=True)
class Leukocytes:
    """One patient's, in the order of their rows."""

    row: npt.NDArray[np.int64]
    """(N,), ascending."""
    log_odds: npt.NDArray[np.float32]
    """Of blast, (N,)."""

    @property
    def stratum(self) -> npt.NDArray[np.int64]:
        """0 to 7, (N,)."""
        return stratum_of(self.log_odds)

    @property
    def bin(self) -> npt.NDArray[np.uint8]:
        """0 to 63, (N,)."""
        return bin_of(self.log_odds.astype(np.float64)).astype(np.uint8)


def log_odds_in_review(blast_probability: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Of blast, as plan, estimate and page have it."""
    return log_odds_of(blast_probability.astype(np.float64)).astype(np.float32)


def stratum_of(log_odds: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    """The stratum, 0 to 7, of cells with these log-odds of blast."""
    return np.digitize(log_odds, STRATUM_EDGES)


def counted_scheme(run: Run) -> Scheme:
    """The run's scheme as its profile and blast equivalents count it."""
    job = run.record.job
    return run.scheme.counted_as(job.profile, job.blast_equivalents)


def leukocytes_by_patient(
    run: Run, patients: Collection[str] | None = None
) -> Iterator[tuple[str, Leukocytes]]:
    """Name and leukocytes of each patient of ``run``, or of those named, sorted by name.

    Raises InputError if there is no such patient, RunError if the run's files are damaged.
    """
    names = run.patients["patient"].to_pylist()
    if unknown := sorted(set(patients or ()) - set(names)):
        raise InputError(f"{run.folder} has no patient {unknown[0]!r}: it has {names[0]!r}, ...")
    wanted = pa.array(names if patients is None else sorted(set(patients)), pa.string())
    scheme = counted_scheme(run)
    codes = pa.array(np.array(scheme.codes)[scheme.is_leukocyte])
    # Twelve bytes a cell: of millions of cells nothing more is held.
    rows = [[np.zeros(0, np.int64)] for _ in wanted]
    log_odds = [[np.zeros(0, np.float32)] for _ in wanted]
    columns = ["row", "patient", "class", "blast_probability"]
    for cells in run.cells_by_part(columns, patients):
        is_counted = pc.is_in(cells["class"], value_set=codes)
        is_wanted = pc.is_in(cells["patient"], value_set=wanted)
        part = cells.filter(pc.and_(is_counted, is_wanted))
        owner = pc.index_in(part["patient"], value_set=wanted).to_numpy()
        values = log_odds_in_review(part["blast_probability"].to_numpy())
        for place in np.unique(owner):
            rows[place].append(part["row"].to_numpy()[owner == place])
            log_odds[place].append(values[owner == place])
    for place, name in enumerate(wanted.to_pylist()):
        yield name, Leukocytes(np.concatenate(rows[place]), np.concatenate(log_odds[place]))
