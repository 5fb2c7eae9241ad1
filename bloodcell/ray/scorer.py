"""Parts of a run, scored by the nodes of a Ray cluster; the driver alone writes files."""

import threading
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bloodcell.engine.backends.choice import BACKENDS, choose_backend
from bloodcell.engine.backends.contract import Choice
from bloodcell.engine.backends.cuda import Device
from bloodcell.engine.setup import Setup
from bloodcell.engine.source import batches_of, read_files
from bloodcell.engine.workers import Note
from bloodcell.errors import EngineError
from bloodcell.part_scorer import Done, RowsOf
from bloodcell.parts import ScoredPart
from bloodcell.ray.crew import Crew, Lost, Member
from bloodcell.ray.messages import Given, Noted, Proof, Task, Whole
from bloodcell.ray.spread import Spread
from bloodcell.scheme import Scheme

_NEEDED = ("row", "path", "patient", "shard", "byte_offset", "byte_count")
"""Columns of the manifest that actors are given, where there are such."""
_LOOKED_AT = 64
"""Cells, for one that can be read."""
_CHOOSING_S = 120.0


def choose_on(ray: Any, backend: str) -> Choice:
    """The backend that a node of the cluster takes, one with a GPU where there are such.

    Raises what choosing there raises, and EngineError if no node answers.
    """
    row = BACKENDS.get(backend)
    may_use_gpu = row is None or row.on_gpu is not None  # None: ``auto``
    has_gpus = may_use_gpu and ray.cluster_resources().get("GPU", 0) >= 1
    choosing = ray.remote(choose_backend).options(num_cpus=1, num_gpus=int(has_gpus))
    try:
        choice: Choice = ray.get(choosing.remote(backend), timeout=_CHOOSING_S)
    except ray.exceptions.GetTimeoutError as late:
        raise EngineError(
            f"no node of the Ray cluster has had a {'GPU' if has_gpus else 'CPU'} free for "
            f"{_CHOOSING_S:.0f} s"
        ) from late
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, ImportError):
            raise EngineError(
                f"a node of the Ray cluster cannot load bloodcell ({error.cause}): install the "
                "same version on every node"
            ) from error
        raise error.cause from error
    return choice


class RayPartScorer:
    """Scores parts on a cluster; see ``PartScorer``.

    ``threads``: CPUs of each actor, ``workers``: most actors; by default all there is room for.
    Raises EngineError if no actor can be had or they would not all give the same results, Stopped
    once ``stop`` is set.
    """

    devices: Sequence[Device] = ()

    def __init__(
        self,
        ray: Any,
        setup: Setup,
        scheme: Scheme,
        *,
        rows_per_part: int,
        threads: int | None,
        workers: int | None,
        stop: threading.Event,
        crew: type[Crew] = Crew,
    ) -> None:
        self._setup, self._stop = setup, stop
        task = Task(setup, scheme, rows_per_part)
        self._crew = crew(ray, task, threads=threads, most=workers, stop=stop)
        try:
            self._crew.wait_until_ready()
        except BaseException:
            self.close()
            raise
        ready = [member.ready for member in self._crew.ready if member.ready]
        self.made_of = ready[0].made_of
        self.lane_count = sum(one.lane_count for one in ready)
        self.batch_size = min(one.batch_size for one in ready)

    def score(
        self, parts: Sequence[int], rows_of: RowsOf, note: Note, done: Done
    ) -> Generator[ScoredPart]:
        """See ``PartScorer.score``."""
        spread = Spread(parts)
        proof = self._proof(rows_of(parts[0])) if parts else None
        told: set[Member] = set()
        rows: dict[int, pa.Table] = {}
        finished_cells = 0
        while not spread.is_finished and not self._stop.is_set():
            for member in self._crew.ready:
                if proof and member not in told:
                    told.add(member)
                    member.actor.prove.remote(proof)
                while (part := spread.take(member)) is not None:
                    if part not in rows:
                        rows[part] = rows_of(part)
                    member.actor.give.remote(Given(part, _needed(rows[part])))
            for member, message in self._crew.listen():
                if isinstance(message, Lost):
                    lost = spread.lose(member, message.why)
                    again = sum(rows[part].num_rows for part in lost)
                    note("restart", worker=str(member), why=message.why, cells_to_try_again=again)
                elif isinstance(message, Noted):
                    note(message.event, **message.facts)
                elif isinstance(message, Whole) and spread.done(member, message.number):
                    for other in spread.others_with(message.number):
                        other.actor.drop.remote(message.number)  # type: ignore[attr-defined]
                    of_part = rows.pop(message.number)
                    finished_cells += of_part.num_rows
                    yield ScoredPart(
                        message.number,
                        of_part,
                        message.reasons,
                        message.content,
                        pq.ParquetFile(pa.BufferReader(message.content)).read(),
                    )
            at_work = sum(table.num_rows for table in rows.values())
            begun = sum(member.begun_cells for member in self._crew.ready)
            done(finished_cells + min(begun, at_work))

    def close(self) -> None:
        """See ``AtWork.close``."""
        self._crew.close()

    def _proof(self, rows: pa.Table) -> Proof | None:
        """A cell that can be read here; None if none of the first can."""
        some = _needed(rows.slice(0, _LOOKED_AT))
        for batch in read_files(self._setup.root, batches_of(some, _LOOKED_AT)):
            if len(read := np.flatnonzero(batch.digests.any(axis=1))):
                first = int(read[0])
                row = some.take(pa.array([first]))
                return Proof(row, batch.digests[first].tobytes())
        return None


def _needed(rows: pa.Table) -> pa.Table:
    return rows.select([name for name in _NEEDED if name in rows.column_names])
