"""Which cells a patient's page shows: a bounded number, of each class the doubtful ones first."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bloodcell._core import REASONS
from bloodcell.review.leukocytes import STRATA, counted_scheme, log_odds_in_review, stratum_of
from bloodcell.run import Run
from bloodcell.scheme import Scheme
from bloodcell.unidentified import is_unidentified, probabilities_of

ALL_UP_TO = 200
"""A patient with no more scored cells is shown whole."""
OF_BLASTS, OF_ANOTHER = 24, 8
"""Cells shown of a class of blasts, and of any other class, of a larger patient."""
OF_REJECTED = 12

_CELL = np.dtype(
    [
        ("patient", np.int32),
        ("row", np.int64),
        ("class_index", np.int16),
        ("blast_probability", np.float32),
        ("reason", np.uint8),
        ("is_unidentified", np.bool_),
    ]
)
_COLUMNS = ["row", "patient", "class", "blast_probability", "reason", "probabilities"]
_WAITING = 100_000
"""Cells that may wait before the shown are chosen anew: 2 MB."""

Cells = npt.NDArray[np.void]


@dataclass(frozen=True)
class Survey:
    """What one pass over a run's cells gives to the pages of P patients."""

    shown: Cells
    """(N,), with the fields ``patient``, ``row``, ``class_index`` (the number of classes for a
    rejected cell), ``blast_probability``, ``reason`` and ``is_unidentified``; sorted by patient,
    class and doubt."""
    rejected: npt.NDArray[np.int64]
    """Cells by patient and reason, (P, R)."""
    strata: npt.NDArray[np.int64]
    """Cells called leukocytes by patient and stratum of a review, (P, 8)."""
    unidentified: npt.NDArray[np.int64]
    """Unidentified cells by patient and most probable class, (P, C)."""

    def of(self, patient: int) -> Cells:
        """The shown cells of one patient."""
        return self.shown[self._starts[patient] : self._starts[patient + 1]]

    @cached_property
    def _starts(self) -> npt.NDArray[np.int64]:
        """Where each patient's shown cells begin, and the last one's end, (P + 1,)."""
        return np.searchsorted(self.shown["patient"], np.arange(len(self.rejected) + 1))


def survey(
    run: Run,
    names: pa.Array,
    wanted_rows: npt.NDArray[np.int64],
    patients: Collection[str] | None = None,
) -> Survey:
    """Choose the cells that the pages of ``run`` show, in memory bounded by its patients.

    ``names`` are its patients in ascending order; ``wanted_rows`` (W,) are shown in any case. Only
    what it has of ``patients``, by default all, is whole.
    """
    scheme = counted_scheme(run)
    limits = _limits(run, scheme)
    rejected = np.zeros((len(names), len(REASONS)), np.int64)
    strata = np.zeros((len(names), STRATA), np.int64)
    unidentified = np.zeros((len(names), len(scheme.codes)), np.int64)
    shown, waiting = np.empty(0, _CELL), [np.empty(0, _CELL)]
    for part in run.cells_by_part(_COLUMNS, patients):
        cells = _cells_of(part, names, scheme)
        is_scored = cells["class_index"] < len(scheme.codes)
        np.add.at(rejected, (cells["patient"][~is_scored], cells["reason"][~is_scored]), 1)
        _count_strata(strata, cells[is_scored], scheme)
        unsure = cells[cells["is_unidentified"]]
        np.add.at(unidentified, (unsure["patient"], unsure["class_index"]), 1)
        waiting.append(cells)
        if sum(map(len, waiting)) > len(shown) + _WAITING:
            shown = _most_doubtful([shown, *waiting], limits, scheme, wanted_rows)
            waiting = []
    shown = _most_doubtful([shown, *waiting], limits, scheme, wanted_rows)
    return Survey(shown, rejected, strata, unidentified)


def joined(pieces: Sequence[tuple[npt.NDArray[np.int64], Survey]], patients: int) -> Survey:
    """One survey of those of some patients each, at these places (p,) among all ``patients``."""
    rejected = np.zeros((patients, len(REASONS)), np.int64)
    strata = np.zeros((patients, STRATA), np.int64)
    unidentified = np.zeros((patients, pieces[0][1].unidentified.shape[1]), np.int64)
    shown = [np.empty(0, _CELL)]
    for places, piece in pieces:
        rejected[places], strata[places] = piece.rejected, piece.strata
        unidentified[places] = piece.unidentified
        cells = piece.shown.copy()
        cells["patient"] = places[cells["patient"]]
        shown.append(cells)
    together = np.concatenate(shown)
    together = together[np.argsort(together["patient"], kind="stable")]
    return Survey(together, rejected, strata, unidentified)


def _limits(run: Run, scheme: Scheme) -> npt.NDArray[np.int64]:
    """Most cells to show by patient and class, the rejected last, (P, C + 1)."""
    of_class = [OF_BLASTS if is_blast else OF_ANOTHER for is_blast in scheme.is_blast]
    of_large = np.array([*of_class, OF_REJECTED])
    of_small = np.array([*[ALL_UP_TO] * len(of_class), OF_REJECTED])
    is_small = run.patients["scored"].to_numpy() <= ALL_UP_TO
    return np.where(is_small[:, None], of_small, of_large)


def _cells_of(part: pa.Table, names: pa.Array, scheme: Scheme) -> Cells:
    cells = np.empty(part.num_rows, _CELL)
    cells["row"] = part["row"].to_numpy()
    cells["patient"] = pc.index_in(part["patient"], value_set=names).to_numpy()
    place = pc.index_in(part["class"], value_set=pa.array(scheme.codes))
    cells["class_index"] = pc.fill_null(place, len(scheme.codes)).to_numpy()
    cells["blast_probability"] = pc.fill_null(part["blast_probability"], 0).to_numpy()
    reason = pc.index_in(part["reason"], value_set=pa.array(REASONS))
    cells["reason"] = pc.fill_null(reason, 0).to_numpy()
    cells["is_unidentified"] = is_unidentified(probabilities_of(part))
    return cells


def _count_strata(strata: npt.NDArray[np.int64], cells: Cells, scheme: Scheme) -> None:
    leukocytes = cells[scheme.is_leukocyte[cells["class_index"]]]
    stratum = stratum_of(log_odds_in_review(leukocytes["blast_probability"]))
    np.add.at(strata, (leukocytes["patient"], stratum), 1)


def _most_doubtful(
    waiting: list[Cells],
    limits: npt.NDArray[np.int64],
    scheme: Scheme,
    wanted_rows: npt.NDArray[np.int64],
) -> Cells:
    """Of each patient and class as many as ``limits`` allows, and the wanted; sorted."""
    cells = np.concatenate(waiting)
    # What the network calls a blast is doubtful if it may be none, and the other way round.
    is_blast = np.append(scheme.is_blast, False)[cells["class_index"]]
    certainty = np.where(is_blast, cells["blast_probability"], 1 - cells["blast_probability"])
    cells = cells[np.lexsort((cells["row"], certainty, cells["class_index"], cells["patient"]))]
    group = cells["patient"].astype(np.int64) * limits.shape[1] + cells["class_index"]
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    place_in_group = np.arange(len(cells)) - np.repeat(starts, np.diff(starts, append=len(cells)))
    is_kept = place_in_group < limits.ravel()[group]
    most_doubtful: Cells = cells[is_kept | np.isin(cells["row"], wanted_rows)]
    return most_doubtful
