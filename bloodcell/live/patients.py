"""Patients whose cells are coming in, each with its counts until it is finished."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bloodcell.engine.batches import ScoreBatch
from bloodcell.errors import InputError
from bloodcell.model import Model
from bloodcell.patients import PatientCounts, patient_table
from bloodcell.shares import Counting

NAMES_KEPT = 100_000
"""Of patients that are finished, the last so many, so that none is begun twice by mistake."""


class OpenPatient:
    """One patient's counts, and how many of its cells have no result yet."""

    def __init__(self, name: str, model: Model, counting: Counting) -> None:
        self.name = name
        self._model, self._counting = model, counting
        self._counts = PatientCounts(pa.array([name], pa.string()), model.scheme)
        self._on_the_way = 0
        self._is_finishing = False
        self._changed = threading.Condition()

    def admit(self) -> None:
        """One more cell is on the way; InputError once the patient is being finished."""
        with self._changed:
            if self._is_finishing:
                raise InputError(_is_finished(self.name))
            self._on_the_way += 1

    def settle(self, cells: int = 1) -> None:
        """So many cells have their result, or will have none."""
        with self._changed:
            self._on_the_way -= cells
            self._changed.notify_all()

    def count(self, rows: Sequence[int], batch: ScoreBatch, places: Sequence[int]) -> None:
        """Add the cells at ``places`` of ``batch``, which are this patient's, as ``rows``."""
        own, numbers = np.array(places), np.array(rows, np.int64)
        reasons = batch.reasons[own]
        scored = reasons == 0
        patient: npt.NDArray[np.int32] = np.zeros(len(own), np.int32)
        with self._changed:
            self._counts.add_scored(
                patient[scored],
                numbers[scored],
                batch.probabilities[own[scored]],
                stained=batch.stained[own[scored]],
            )
            self._counts.accumulator.reject(patient[~scored], reasons[~scored])

    def begin_to_finish(self) -> None:
        """Take no more cells; InputError if that has been asked for before."""
        with self._changed:
            if self._is_finishing:
                raise InputError(_is_finished(self.name))
            self._is_finishing = True

    def go_on(self) -> None:
        """Take cells again: it was not finished."""
        with self._changed:
            self._is_finishing = False

    def wait(self) -> None:
        """Until no cell is on the way."""
        with self._changed:
            self._changed.wait_for(lambda: self._on_the_way == 0)

    def statistics(self) -> dict[str, Any]:
        """The row of ``patients.parquet`` for what is counted so far."""
        with self._changed:
            table = patient_table(self._counts, self._model, self._counting)
        (row,) = table.to_pylist()
        return row  # type: ignore[no-any-return]


class Patients:
    """Those that are open, by name, and the names of those that were finished last."""

    def __init__(self, model: Model, counting: Counting) -> None:
        self._model, self._counting = model, counting
        self._open: dict[str, OpenPatient] = {}
        self._finished: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def admit(self, name: str) -> OpenPatient:
        """The patient, one cell on the way more; begun with its first. InputError if finished."""
        _check_name(name)
        with self._lock:
            if name in self._finished:
                raise InputError(_is_finished(name))
            patient = self._open.get(name)
            if patient is None:
                patient = self._open[name] = OpenPatient(name, self._model, self._counting)
            patient.admit()
            return patient

    def known(self, name: str) -> OpenPatient:
        """An open patient; InputError if there is none of that name."""
        _check_name(name)
        with self._lock:
            if name in self._finished:
                raise InputError(_is_finished(name))
            if name not in self._open:
                raise InputError(f"patient {name!r} is unknown: no cell of it was submitted")
            return self._open[name]

    def release(self, patient: OpenPatient) -> None:
        """Keep no more of it than its name."""
        with self._lock:
            del self._open[patient.name]
            self._finished[patient.name] = None
            if len(self._finished) > NAMES_KEPT:
                self._finished.popitem(last=False)


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not name:
        raise InputError(f"patient is a name, {name!r} given")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"patient {name!r} cannot be written in UTF-8: {error.reason}") from error


def _is_finished(name: str) -> str:
    return f"patient {name!r} is finished: further cells need another name"
