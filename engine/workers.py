"""Several processes score one run: one a GPU, or some that share the CPU.

Tables go to whoever has room, so a fast device takes more of them. A table is with one worker at a
time, and its batch comes back once: if the worker is gone before, the table goes to another.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import wait

import pyarrow as pa

from bloodcell.engine.backends.cuda import Device
from bloodcell.engine.batches import ScoreBatch
from bloodcell.engine.lanes import Setup
from bloodcell.engine.worker_messages import Ready, table_to_bytes
from bloodcell.errors import BloodcellError, EngineError, Stopped

log = logging.getLogger(__name__)

_PROGRAM = "from bloodcell.engine.worker import main; main()"
"""Not ``-m``, which would give the module's classes another module's name."""
_END_WITHIN_S = 10.0


class _LostError(Exception):
    """A worker cannot go on; the message says why."""


class WorkerScorer:
    """Scores in one process for each of ``environments`` (variables set besides this process's).

    The setup's threads are shared out among them. ``devices``: the GPUs that they use, if any.
    Raises ModelError or EngineError if a worker cannot start, or if they would not all give the
    same results.
    """

    def __init__(
        self,
        setup: Setup,
        environments: Sequence[Mapping[str, str]],
        devices: Sequence[Device] = (),
    ) -> None:
        self.devices = devices
        share = replace(setup, threads=max(1, setup.threads // len(environments)))
        self._workers = [_Worker(*numbered) for numbered in enumerate(environments)]
        try:
            for worker in self._workers:
                worker.start(share)
            ready = [worker.ready() for worker in self._workers]
            self.made_of = alike(ready, setup.choice.device)
            self.lane_count = sum(one.lane_count for one in ready)
            self.batch_size = min(one.batch_size for one in ready)
        except BaseException:
            self.close()
            raise

    def score(self, tables: Iterable[pa.Table]) -> Generator[ScoreBatch]:
        """See ``Scorer.score``. A worker that fails leaves its tables to the others.

        Raises EngineError when none is left.
        """
        waiting = _Waiting(tables)
        try:
            while True:
                self._hand_out(waiting)
                busy = {w.connection: w for w in self._workers if w.tables}
                if not busy:
                    return
                for connection in wait(list(busy)):
                    worker = busy[connection]  # type: ignore[index]
                    try:
                        batch = worker.receive()
                    except _LostError as lost:
                        self._lose(worker, waiting, lost)
                    else:
                        yield batch
        finally:
            if any(worker.tables for worker in self._workers):
                # What they have begun would come back to the next caller.
                self.close()

    def close(self) -> None:
        """See ``Scorer.close``."""
        for worker in self._workers:
            worker.end()
        self._workers = []

    def _hand_out(self, waiting: "_Waiting") -> None:
        """Give each worker, in turn, a table while it has room and there are any."""
        with_room = list(self._workers)
        while with_room:
            for worker in list(with_room):
                table = waiting.take() if worker.has_room else None
                if table is None:
                    with_room.remove(worker)
                    continue
                try:
                    worker.send(table)
                except _LostError as lost:
                    with_room.remove(worker)
                    self._lose(worker, waiting, lost)

    def _lose(self, worker: "_Worker", waiting: "_Waiting", lost: _LostError) -> None:
        self._workers.remove(worker)
        worker.end()
        if not self._workers:
            raise EngineError(f"no worker is left, the last one: {lost}") from lost
        log.warning(
            "%s; its %d batches go to the other workers (%d)",
            lost, len(worker.tables), len(self._workers),
        )  # fmt: skip
        waiting.put_back(worker.tables.values())


class _Waiting:
    """Tables that no worker has: those that came back from a lost one first."""

    def __init__(self, tables: Iterable[pa.Table]) -> None:
        self._returned: list[pa.Table] = []
        self._tables = iter(tables)

    def take(self) -> pa.Table | None:
        return self._returned.pop() if self._returned else next(self._tables, None)

    def put_back(self, tables: Iterable[pa.Table]) -> None:
        self._returned += tables


class _Worker:
    """One process, our end of its connection, and the tables it has, by their first row."""

    def __init__(self, number: int, environment: Mapping[str, str]) -> None:
        self._number = number
        self.connection, theirs = Pipe()
        self.tables: dict[int, pa.Table] = {}
        self._most_tables = 0
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(theirs.fileno())],
                env={**os.environ, **environment},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                # Standard output is for the command's own result.
                stdout=subprocess.DEVNULL,
            )

    @property
    def has_room(self) -> bool:
        """Whether a table sent now will be read without waiting for us to receive."""
        return len(self.tables) < self._most_tables

    def start(self, setup: Setup) -> None:
        """Let the worker open its lanes."""
        # One that is gone already is noticed when it should say that it is ready.
        with suppress(OSError):
            self.connection.send(setup)

    def ready(self) -> Ready:
        """Wait until the worker has started."""
        try:
            answer = self._receive()
        except _LostError as lost:
            raise EngineError(f"{lost} before it could score") from lost
        if isinstance(answer, BloodcellError):
            raise answer
        assert isinstance(answer, Ready)
        self._most_tables = answer.ahead
        return answer

    def send(self, table: pa.Table) -> None:
        # First, so that it is put back if the worker is gone.
        self.tables[table["row"][0].as_py()] = table
        try:
            self.connection.send_bytes(table_to_bytes(table))
        except OSError as error:
            raise self._lost() from error

    def receive(self) -> ScoreBatch:
        answer = self._receive()
        if isinstance(answer, Stopped):  # for all of them: the file system fails
            raise answer
        if isinstance(answer, BloodcellError):
            raise _LostError(f"worker {self._number} failed: {answer}")
        assert isinstance(answer, ScoreBatch)
        del self.tables[int(answer.rows[0])]
        return answer

    def end(self) -> None:
        """Close the connection, at which the worker ends; one that does not is killed."""
        self.connection.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_WITHIN_S)
        self._process.kill()
        self._process.wait()

    def _receive(self) -> object:
        try:
            return self.connection.recv()
        except (EOFError, OSError) as error:
            raise self._lost() from error

    def _lost(self) -> _LostError:
        status = self._process.wait()
        how = f"by signal {-status}" if status < 0 else f"with status {status}"
        return _LostError(f"worker {self._number} ended {how}")


def alike(ready: Sequence[Ready], device: str) -> dict[str, str]:
    """What all of them are made of; EngineError if results would depend on who scored a cell."""
    for one in ready:
        if (one.device, one.made_of) != (device, ready[0].made_of):
            raise EngineError(
                f"the workers differ: {one.device} with {one.made_of} beside {device} with "
                f"{ready[0].made_of}. Choose equal GPUs by CUDA_VISIBLE_DEVICES"
            )
    return ready[0].made_of
