"""Scored batches to results of cells, counted for their patients."""

import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import InvalidStateError
from contextlib import suppress

from bloodcell._core import REASONS
from bloodcell.engine.batches import ScoreBatch
from bloodcell.errors import EngineError
from bloodcell.live.cells import Cell, CellResult
from bloodcell.live.waiting import Waiting
from bloodcell.parts import blast_probability
from bloodcell.scheme import Scheme


class Results:
    """Where lanes put what they have scored (``Outlet``). ``failed``: is given a lane's error."""

    def __init__(
        self, waiting: Waiting, scheme: Scheme, failed: Callable[[BaseException], None]
    ) -> None:
        self._waiting, self._scheme, self._failed = waiting, scheme, failed
        self._codes = scheme.codes

    def put(self, batch: ScoreBatch) -> bool:
        """Count each cell whose result is still wanted, and set it; see ``Outlet.put``."""
        returned = enumerate(self._waiting.returned(batch.rows))
        cells = [(place, cell) for place, cell in returned if cell is not None]
        outcomes: list[CellResult | BaseException] = []
        try:
            outcomes += self._counted(batch, cells)
        except BaseException as error:
            outcomes += [failure(error) for _ in cells]
            raise
        finally:
            for (_, cell), outcome in zip(cells, outcomes, strict=True):
                settle(cell, outcome)
        return True

    def _counted(self, batch: ScoreBatch, cells: list[tuple[int, Cell]]) -> list[CellResult]:
        now_s = time.monotonic()
        called = batch.probabilities.argmax(axis=1).tolist()
        blast = blast_probability(batch.probabilities, self._scheme).tolist()
        results, by_patient = [], defaultdict(list)
        for place, cell in cells:
            if cell.is_late(now_s):
                results.append(cell.expired())
            else:
                code = self._codes[called[place]]
                results.append(_result(batch, place, cell, code, blast[place]))
                by_patient[cell.patient].append((place, results[-1].row))
        for patient, own in by_patient.items():
            places, rows = zip(*own, strict=True)
            patient.count(rows, batch, places)
        return results

    def end(self, error: BaseException | None = None) -> None:
        """See ``Outlet.end``."""
        if error is not None:
            self._failed(error)


def failure(error: BaseException) -> EngineError:
    """What a cell is told of an error that ended the engine, in an object of its own."""
    told = EngineError(f"the engine has failed: {error}")
    told.__cause__ = error
    return told


def settle(cell: Cell, outcome: CellResult | BaseException) -> None:
    """Give a cell its result, or the error that took it, once."""
    # A user may have set it, which is theirs to do.
    with suppress(InvalidStateError):
        if isinstance(outcome, CellResult):
            cell.future.set_result(outcome)
        else:
            cell.future.set_exception(outcome)
    cell.patient.settle()


def _result(
    batch: ScoreBatch, place: int, cell: Cell, code: str, blast_probability: float
) -> CellResult:
    assert cell.row is not None
    digest = batch.digests[place].tobytes() if batch.digests[place].any() else None
    if batch.reasons[place]:
        why = REASONS[batch.reasons[place]]
        return CellResult(cell.row, cell.patient.name, "rejected", why, digest=digest)
    return CellResult(
        cell.row,
        cell.patient.name,
        "scored",
        cell_class=code,
        blast_probability=blast_probability,
        probabilities=batch.probabilities[place].copy(),
        digest=digest,
        stained=bool(batch.stained[place]),
    )
