"""A worker as the process that started it sees it: sent tables, asked for batches, or lost."""

import logging
import signal
import threading
from collections.abc import Mapping
from contextlib import suppress
from itertools import count

import pyarrow as pa

from bloodcell.engine.batches import ScoreBatch
from bloodcell.engine.setup import Setup
from bloodcell.engine.spawning import END_WITHIN_S, spawned
from bloodcell.engine.worker_messages import Logged, Ready, table_to_bytes
from bloodcell.errors import BloodcellError, EngineError, Stopped
from bloodcell.system_limits import MORE_MEMORY, speaks_of_memory

LOOK_FOR_STOP_EVERY_S = 0.5
_BORN = count()
_LONGEST_LINE, _LONGEST_WORDS = 65536, 200
"""Bytes, characters."""


class LostError(Exception):
    """A worker cannot go on; the message says why."""


class WorkerProcess:
    """One process, our end of its connection, and the tables it has, by their first row.

    ``failed_starts``: how many of its forerunners in a row ended before they could score.
    """

    def __init__(
        self, number: int, environment: Mapping[str, str], setup: Setup, failed_starts: int = 0
    ) -> None:
        self.number, self.failed_starts = number, failed_starts
        self.born = next(_BORN)
        """How many workers this process had started before."""
        self._spawned = spawned(environment)
        self.connection, self._process = self._spawned.connection, self._spawned.process
        self.tables: dict[int, pa.Table] = {}
        self.is_alone = False
        """Whether what it has is a single row that is suspected."""
        self.tables_sent = 0
        self._most_tables = 0
        self._last_words = ""
        self.lacked_memory = False
        """Whether it said so since it was given a table, or while it starts: no thread or process,
        too. Its very last line may be of what comes of that."""
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        # One that is gone already is noticed when it should say that it is ready.
        with suppress(OSError):
            self.connection.send(setup)

    @property
    def is_starting(self) -> bool:
        """Whether it has not yet said that it is ready."""
        return self._most_tables == 0

    @property
    def has_room(self) -> bool:
        """Whether a table sent now will be read without waiting for us to receive."""
        return len(self.tables) < (1 if self.is_alone else self._most_tables)

    @property
    def advice(self) -> str:
        """What to do for the next one, behind what it was lost by; may be empty."""
        return f". {MORE_MEMORY}" if self.lacked_memory else ""

    @property
    def has_scored(self) -> bool:
        """Whether a batch of it came back."""
        return len(self.tables) < self.tables_sent

    @property
    def row_count(self) -> int:
        """How many rows it has."""
        return sum(table.num_rows for table in self.tables.values())

    def ready(self, stop: threading.Event) -> Ready:
        """Wait until it has started.

        Raises EngineError, or what it says stands in the way, and Stopped when ``stop`` is set.
        """
        answer = None
        while not isinstance(answer, Ready):
            if stop.is_set():
                raise Stopped("stopped before a cell was scored: the same command begins again")
            try:
                if self.connection.poll(LOOK_FOR_STOP_EVERY_S):
                    answer = self.receive()
            except LostError as lost:
                raise EngineError(f"{lost} before it could score{self.advice}") from lost
        return answer

    def send(self, table: pa.Table, *, alone: bool) -> None:
        """Give it a table; ``alone``: nothing else until that is back."""
        self.is_alone, self.lacked_memory = alone, False
        self.tables_sent += 1
        # First, so that it is put back if the worker is gone.
        self.tables[table["row"][0].as_py()] = table
        try:
            self.connection.send_bytes(table_to_bytes(table))
        except OSError as error:
            raise self._lost() from error

    def receive(self) -> Ready | ScoreBatch | None:
        """What it says next; None for what was for the log.

        Raises LostError if it cannot go on, and what it found that ends the run.
        """
        try:
            answer = self.connection.recv()
        except (EOFError, OSError) as error:
            raise self._lost() from error
        if isinstance(answer, BloodcellError):
            raise answer
        if isinstance(answer, Logged):
            logging.getLogger(answer.logger).log(answer.level, answer.message)
            return None
        if isinstance(answer, Ready):
            self._most_tables = answer.ahead
            return answer
        assert isinstance(answer, ScoreBatch)
        del self.tables[int(answer.rows[0])]
        return answer

    def end(self, within_s: float = END_WITHIN_S) -> None:
        """Close the connection, at which it ends; if it does not, it is killed."""
        self._spawned.end(within_s)
        self._listener.join(END_WITHIN_S)

    def _listen(self) -> None:
        """Keep the last line of its standard error, where libraries write as they like."""
        assert self._process.stderr
        with self._process.stderr as lines:
            while line := lines.readline(_LONGEST_LINE):
                if words := line.decode(errors="replace").strip():
                    self._last_words = words[:_LONGEST_WORDS]
                    self.lacked_memory |= speaks_of_memory(words)

    def _lost(self) -> LostError:
        self.end()
        status = self._process.returncode
        if status == -signal.SIGALRM:
            how = "in a call that did not return"
        else:
            how = f"by signal {-status}" if status < 0 else f"with status {status}"
        said = f" ({self._last_words})" if self._last_words else ""
        return LostError(f"worker {self.number} ended {how}{said}")
