"""A worker process: tables of rows in through a connection, scored batches out.

Started by ``WorkerScorer`` alone, with the connection's file descriptor as its argument.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

import pyarrow as pa

from bloodcell.errors import BloodcellError


@dataclass(frozen=True)
class Ready:
    """What a worker says first: it may be sent tables."""

    device: str
    """``CPU``, or the name of the GPU that it sees."""
    lanes: int
    ahead: int
    """See ``LocalScorer.ahead``."""
    batch_size: int
    made_of: dict[str, str]


def table_to_bytes(table: pa.Table) -> bytes:
    """Only the rows of ``table``, not what it may be a slice of, as pickling would."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    found: bytes = sink.getvalue().to_pybytes()
    return found


def _tables(connection: Connection) -> Iterator[pa.Table]:
    with suppress(EOFError):
        while True:
            yield pa.ipc.open_stream(connection.recv_bytes()).read_all()


def _serve(connection: Connection) -> None:
    from bloodcell.engine.backends import CPU
    from bloodcell.engine.backends.cuda import first_device
    from bloodcell.engine.machine import keep_memory_flat
    from bloodcell.engine.scorer import LocalScorer

    keep_memory_flat()
    setup = connection.recv()
    try:
        scorer = LocalScorer(setup)
        device = first_device().name if setup.choice.on_gpu else CPU
        connection.send(
            Ready(device, scorer.lanes, scorer.ahead, scorer.batch_size, scorer.made_of)
        )
        for batch in scorer.score(_tables(connection)):
            connection.send(batch)
    except BloodcellError as error:
        connection.send(error)


def main() -> None:
    """Serve until the other end is closed, which is the only way to end a worker in good order."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # They go to the whole group; the process that started this one decides what they mean.
        signal.signal(number, signal.SIG_IGN)
    with suppress(EOFError, ConnectionError), Connection(int(sys.argv[1])) as connection:
        _serve(connection)
