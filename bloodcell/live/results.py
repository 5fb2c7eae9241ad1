"""Scored batches to results of cells, counted for their patients."""

import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import InvalidStateError
from contextlib import suppress

import numpy as np

from bloodcell._core import REASONS
from bloodcell.engine.batches import ScoreBatch
from bloodcell.live.cells import Cell, CellResult
from bloodcell.live.patients import OpenPatient
from bloodcell.live.waiting import Waiting
from bloodcell.scheme import Scheme
from bloodcell.store import blast_probability


class Results:
    """Where lanes put what they have scored (``Outlet``). ``failed``: is given a lane's error."""

    def __init__(
        self, waiting: Waiting, scheme: Scheme, failed: Callable[[BaseException], None]
    ) -> None:
        self._waiting, self._scheme, self._failed = waiting, scheme, failed

    def put(self, batch: ScoreBatch) -> bool:
        """Count each cell whose result is still wanted, and set it; see ``Outlet.put``."""
        now_s = time.monotonic()
        cells: list[tuple[int, Cell]] = []
        for place, cell in enumerate(self._waiting.returned(batch.rows)):
            if cell is None:
                continue
            if cell.is_late(now_s):
                settle(cell, cell.expired())
            else:
                cells.append((place, cell))
        by_patient: dict[OpenPatient, list[int]] = defaultdict(list)
        for at, (_, cell) in enumerate(cells):
            by_patient[cell.patient].append(at)
        for patient, own in by_patient.items():
            rows = [row for at in own if (row := cells[at][1].row) is not None]
            patient.count(rows, batch, [cells[at][0] for at in own])
        results = _results(batch, cells, self._scheme)
        for (_, cell), result in zip(cells, results, strict=True):
            settle(cell, result)
        return True

    def end(self, error: BaseException | None = None) -> None:
        """See ``Outlet.end``."""
        if error is not None:
            self._failed(error)


def settle(cell: Cell, outcome: CellResult | BaseException) -> None:
    """Give a cell its result, or the error that took it, once."""
    # A user may have set it, which is theirs to do.
    with suppress(InvalidStateError):
        if isinstance(outcome, CellResult):
            cell.future.set_result(outcome)
        else:
            cell.future.set_exception(outcome)
    cell.patient.settle()


def _results(batch: ScoreBatch, cells: list[tuple[int, Cell]], scheme: Scheme) -> list[CellResult]:
    codes = scheme.codes
    best = batch.probabilities.argmax(axis=1).tolist()
    blast = blast_probability(batch.probabilities, scheme).tolist()
    reasons, stained = batch.reasons.tolist(), batch.stained.tolist()
    results = []
    for place, cell in cells:
        assert cell.row is not None
        digest = batch.digests[place].tobytes() if batch.digests[place].any() else None
        if reasons[place]:
            why = REASONS[reasons[place]]
            rejected = CellResult(cell.row, cell.patient.name, "rejected", why, digest=digest)
            results.append(rejected)
            continue
        results.append(
            CellResult(
                cell.row,
                cell.patient.name,
                "scored",
                cell_class=codes[best[place]],
                blast_probability=blast[place],
                probabilities=np.array(batch.probabilities[place]),
                digest=digest,
                stained=stained[place],
            )
        )
    return results
