"""Processes score a run and are supervised: one a GPU, or some that share the CPU.

Tables go to whoever has room, so a fast device takes more of them. A table is with one worker at a
time, and its batch comes back once. A worker that is lost is started anew, and each row that it had
is tried alone, until those that end a worker by themselves are known.
"""

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from multiprocessing.connection import wait
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from bloodcell._core import REASONS
from bloodcell.engine.backends.cuda import Device
from bloodcell.engine.batches import ScoreBatch, scored_batch
from bloodcell.engine.setup import Setup
from bloodcell.engine.source import read_files
from bloodcell.engine.spawning import END_WITHIN_S
from bloodcell.engine.suspects import Waiting
from bloodcell.engine.worker_messages import Ready
from bloodcell.engine.worker_process import LOOK_FOR_STOP_EVERY_S, LostError, WorkerProcess
from bloodcell.errors import BloodcellError, EngineError

_LOG = logging.getLogger(__name__)

_MOST_FAILED_STARTS = 3
"""In a row, in one place, before it is given up."""
_MOST_LOSSES = 200
"""In a row, with no cell scored between, before it is no longer taken for the images' fault: a
hundred in succession that end the decoder are still told from a decoder that cannot work."""


Note: TypeAlias = Callable[..., object]
"""Is called with an event, and facts about it by name, for a record that is kept."""


def _not_noted(_event: str, **_facts: object) -> None:
    pass


class WorkerScorer:
    """Scores in one process for each of ``environments`` (variables set besides this process's).

    The setup's threads are shared out among them. ``devices``: the GPUs that they use, if any.
    ``stop``: set when no more is to be waited for. Raises ModelError or EngineError if a worker
    cannot start or if they would not all give the same results, and Stopped.
    """

    def __init__(
        self,
        setup: Setup,
        environments: Sequence[Mapping[str, str]],
        devices: Sequence[Device] = (),
        stop: threading.Event | None = None,
    ) -> None:
        self.devices = devices
        self._setup = replace(setup, threads=max(1, setup.threads // len(environments)))
        self._environments, self._stop = environments, stop or threading.Event()
        self._losses = 0
        self._note: Note = _not_noted
        self._workers: list[WorkerProcess] = []
        try:
            for number in range(len(environments)):
                self._workers.append(self._started(number))
            ready = [worker.ready(self._stop) for worker in self._workers]
            self.made_of = alike(ready, setup.choice.device)
            self.lane_count = sum(one.lane_count for one in ready)
            self.batch_size = min(one.batch_size for one in ready)
        except BaseException:
            self.close()
            raise
        self._first_ready = ready[0]

    def score(
        self, tables: Iterable[pa.Table | None], note: Note = _not_noted
    ) -> Generator[ScoreBatch]:
        """See ``Scorer.score``. A row that ends workers by itself comes back as rejected.

        Raises EngineError when workers cannot be started, or end whatever they are given. Ends
        early where nothing comes back when it is to stop: one that hangs is not waited for.
        """
        self._note, waiting = note, Waiting(tables)
        try:
            while True:
                self._hand_out(waiting)
                busy = {w.connection: w for w in self._workers if w.tables or w.is_starting}
                if not busy:
                    return
                answering = wait(list(busy), LOOK_FOR_STOP_EVERY_S)
                if not answering and self._stop.is_set():
                    return
                for connection in answering:
                    batch = self._received(busy[connection], waiting)  # type: ignore[index]
                    if batch is not None:
                        yield batch
                for table in waiting.newly_blamed():
                    yield self._crashed(table)
        finally:
            if any(worker.tables for worker in self._workers):
                # What they have begun would come back to the next caller.
                self.close()

    def close(self) -> None:
        """See ``AtWork.close``."""
        for worker in self._workers:
            worker.connection.close()
        until_s = time.monotonic() + END_WITHIN_S
        for worker in self._workers:
            worker.end(until_s - time.monotonic())
        self._workers = []

    def _started(self, number: int, failed_starts: int = 0) -> WorkerProcess:
        return WorkerProcess(number, self._environments[number], self._setup, failed_starts)

    def _hand_out(self, waiting: Waiting) -> None:
        """Give each worker, in turn, a table while it has room and there are any."""
        with_room = list(self._workers)
        while with_room:
            for worker in list(with_room):
                table = waiting.take(worker) if worker.has_room else None
                if table is None:
                    with_room.remove(worker)
                    continue
                try:
                    worker.send(table, alone=waiting.is_suspect(table))
                except LostError as lost:
                    with_room.remove(worker)
                    self._lose(worker, waiting, lost)

    def _received(self, worker: WorkerProcess, waiting: Waiting) -> ScoreBatch | None:
        """What ``worker`` has scored; None if it said something else or is lost."""
        was_starting = worker.is_starting
        try:
            answer = worker.receive()
        except LostError as lost:
            self._lose(worker, waiting, lost)
            return None
        except BloodcellError as error:
            if not was_starting:
                raise
            self._lose(worker, waiting, LostError(f"worker {worker.number} cannot start: {error}"))
            return None
        if isinstance(answer, Ready):
            alike([self._first_ready, answer], self._setup.choice.device)
            return None
        if answer:
            self._losses = 0
            waiting.scored(worker)
        return answer

    def _lose(self, worker: WorkerProcess, waiting: Waiting, lost: LostError) -> None:
        """Start another in the place of ``worker``, and suspect what it had."""
        worker.end()
        _LOG.warning("%s; cells to try again one by one: %d", lost, worker.row_count)
        self._note(
            "restart", worker=worker.number, why=str(lost), cells_to_try_again=worker.row_count
        )
        is_of_memory = waiting.suspect(worker)
        place = self._workers.index(worker)
        # Where memory is short a start in good order says nothing yet.
        in_vain = worker.is_starting or (is_of_memory and not worker.has_scored)
        failed_starts = worker.failed_starts + 1 if in_vain else 0
        if failed_starts < _MOST_FAILED_STARTS:
            self._workers[place] = self._started(worker.number, failed_starts)
        else:
            del self._workers[place]
        self._losses += 1
        if not self._workers:
            raise EngineError(f"no worker is left, the last one: {lost}{worker.advice}") from lost
        if self._losses >= _MOST_LOSSES:
            raise EngineError(
                f"{self._losses} workers ended and scored no cell between, the last one: {lost}"
            ) from lost

    def _crashed(self, table: pa.Table) -> ScoreBatch:
        # Read here, not decoded: the digest is of what ended the workers.
        (read,) = read_files(self._setup.root, [table])
        row = int(read.rows[0])
        _LOG.warning("row %d is rejected as crashed_decoder: it ended workers by itself", row)
        self._note("blame", row=row, reason="crashed_decoder")
        reason = np.array([REASONS.index("crashed_decoder")], np.uint8)
        classes, unknown = self._setup.network.class_count, np.zeros(0, np.bool_)
        return scored_batch(read.rows, reason, None, classes, digests=read.digests, stained=unknown)


def alike(ready: Sequence[Ready], device: str) -> dict[str, str]:
    """What all of them are made of; EngineError if results would depend on who scored a cell."""
    for one in ready:
        if (one.device, one.made_of) != (device, ready[0].made_of):
            raise EngineError(
                f"the workers differ: {one.device} with {one.made_of} beside {device} with "
                f"{ready[0].made_of}. Choose equal GPUs by CUDA_VISIBLE_DEVICES"
            )
    return ready[0].made_of
