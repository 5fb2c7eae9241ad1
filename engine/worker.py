"""A worker process: tables of rows in through a connection, scored batches out.

Started by ``WorkerScorer`` alone, with the connection's file descriptor as its argument.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection

import pyarrow as pa

from bloodcell.engine.worker_messages import Ready, table_from_bytes
from bloodcell.errors import BloodcellError


def _tables(connection: Connection) -> Iterator[pa.Table]:
    with suppress(EOFError):
        while True:
            yield table_from_bytes(connection.recv_bytes())


def _serve(connection: Connection) -> None:
    from bloodcell.engine.backends.contract import CPU
    from bloodcell.engine.backends.cuda import first_device
    from bloodcell.engine.local_scorer import LocalScorer
    from bloodcell.engine.machine import keep_memory_flat

    keep_memory_flat()
    setup = connection.recv()
    try:
        scorer = LocalScorer(setup)
        device = first_device().name if setup.choice.on_gpu else CPU
        connection.send(
            Ready(device, scorer.lane_count, scorer.ahead, scorer.batch_size, scorer.made_of)
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
