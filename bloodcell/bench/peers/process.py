"""A contender in a process of its own, so that no other's threads and memory disturb it."""

import multiprocessing
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path

from bloodcell.bench.peers.contender import Classes, Contender
from bloodcell.bench.record import one_line
from bloodcell.bench.scoring_options import Scoring
from bloodcell.errors import EngineError

_END_S = 10.0


@dataclass(frozen=True)
class Scored:
    """One contender's pass over all cells."""

    elapsed_s: float
    classes: Classes


class ContenderProcess:
    """Loads the contender ``made_by`` ("module:class") in a new process and warms it up there.

    ``warm_up``: a manifest of the first few cells. Nothing of this is timed.
    """

    def __init__(self, made_by: str, scoring: Scoring, warm_up: Path) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._connection, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs, made_by, scoring, warm_up))
        self._process.start()
        self._at_work = True
        # Left open in the child alone, so that its death is seen as the end of the pipe.
        theirs.close()

    def wait_until_loaded(self) -> None:
        """Blocks; raises EngineError if the contender cannot run here."""
        self._receive()

    def score(self, manifest: Path) -> Scored:
        """Score once. Blocks; raises EngineError if the contender fails or dies."""
        self._at_work = True
        self._connection.send(manifest)
        scored = self._receive()
        assert scored is not None
        return scored

    def close(self) -> None:
        """End the process: at rest it goes by itself, at work it is stopped."""
        self._connection.close()
        if self._at_work:
            self._process.terminate()
        self._process.join(_END_S)
        self._process.kill()
        self._process.join()

    def _receive(self) -> Scored | None:
        try:
            answer: Scored | EngineError | None = self._connection.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            raise EngineError(f"its process ended with status {self._process.exitcode}") from None
        self._at_work = False
        if isinstance(answer, EngineError):
            raise answer
        return answer


def _serve(connection: Connection, made_by: str, scoring: Scoring, warm_up: Path) -> None:
    # Ctrl-C goes to the parent too, which then ends this process; and that, as an exit, ends what
    # the contender may have started.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with suppress(ConnectionError):
        try:
            module, name = made_by.split(":")
            contender: Contender = getattr(import_module(module), name)(scoring)
            contender.ready(warm_up)()
            connection.send(None)
            for manifest in _asked_for(connection):
                connection.send(_timed(contender, manifest))
        except Exception as error:  # whatever a library raises: the others shall run
            connection.send(EngineError(one_line(error)))
    # On its way out by itself: an exit in the middle of that would be told as an error.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _asked_for(connection: Connection) -> Iterator[Path]:
    """Until the parent closes its end, or is no more."""
    with suppress(EOFError):
        while True:
            yield connection.recv()


def _timed(contender: Contender, manifest: Path) -> Scored:
    score = contender.ready(manifest)
    started = time.perf_counter()
    classes = score()
    return Scored(time.perf_counter() - started, classes)
