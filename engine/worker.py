"""A worker process: tables of rows in through a connection, scored batches out.

Started by ``WorkerProcess`` alone, with the connection's file descriptor as its first argument.
"""

import ctypes
import io
import logging
import os
import resource
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from bloodcell.engine.worker_messages import Logged, Ready, table_from_bytes
from bloodcell.errors import BloodcellError, EngineError

if TYPE_CHECKING:
    from bloodcell.engine.batches import EncodedBatch
    from bloodcell.engine.lanes import Lane
    from bloodcell.engine.object_store import Place

_PR_SET_PDEATHSIG = 1
"""Of Linux' prctl.h."""


class _Speaker(logging.Handler):
    """Our end of the connection, for whichever thread has something to say."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(logging.WARNING)
        self._connection, self._sending = connection, threading.Lock()

    def send(self, message: object) -> None:
        with self._sending:
            self._connection.send(message)

    def give_up(self, error: Exception) -> None:
        """End this process in the middle of a batch.

        At once: the thread that waits for tables would hold up an end in good order. An
        EngineError is the last word of this process alone, such as of a GPU that one image has
        upset; another may go on.
        """
        if isinstance(error, BloodcellError) and not isinstance(error, EngineError):
            self.send(error)
        else:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            sys.stderr.flush()
        os._exit(1)

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):
            self.send(Logged(record.name, record.levelno, record.getMessage()))


class _Source:
    """Reads the images of the tables that come; an error of it ends the tables."""

    def __init__(self, root: "Place", connection: Connection) -> None:
        self._root, self._connection = root, connection
        self.error: BloodcellError | None = None

    def __iter__(self) -> Iterator["EncodedBatch"]:
        from bloodcell.engine.source import read_files

        try:
            yield from read_files(self._root, self._tables())
        except BloodcellError as error:
            self.error = error

    def _tables(self) -> Iterator[pa.Table]:
        with suppress(EOFError):
            while True:
                yield table_from_bytes(self._connection.recv_bytes())


def _serve(connection: Connection, speaker: _Speaker) -> None:
    from bloodcell.engine.backends.contract import CPU
    from bloodcell.engine.backends.cuda import first_device
    from bloodcell.engine.lanes import open_lanes
    from bloodcell.engine.machine import keep_memory_flat
    from bloodcell.engine.object_source import TABLES_AHEAD
    from bloodcell.engine.object_store import ObjectPath
    from bloodcell.engine.stream import most_ahead, score_stream
    from bloodcell.engine.watchdog import Watchdog, WatchedLane

    keep_memory_flat()
    setup = connection.recv()
    opened, watchdog = open_lanes(setup), Watchdog(speaker.give_up)
    lanes = [WatchedLane(lane, watchdog) for lane in opened.lanes]
    _prove_decoding(lanes[0])
    device = first_device().name if setup.choice.on_gpu else CPU
    ahead = most_ahead(lanes)
    if isinstance(setup.root, ObjectPath):
        ahead += TABLES_AHEAD
    speaker.send(Ready(device, len(lanes), ahead, opened.batch_size, opened.made_of))
    source = _Source(setup.root, connection)
    for batch in score_stream(source, lanes):
        speaker.send(batch)
    if source.error is not None:
        raise source.error
    # At once: to take down all that was loaded would cost another third of a second.
    os._exit(0)


def _prove_decoding(lane: "Lane") -> None:
    """Decode and score an image that is known to be good, so that later ones may be blamed."""
    from PIL import Image

    from bloodcell.engine.batches import EncodedBatch

    file = io.BytesIO()
    Image.new("RGB", (32, 32), "pink").save(file, "JPEG")
    encoded = np.frombuffer(file.getvalue(), np.uint8)
    offsets, no_digest = np.array([0, len(encoded)]), np.zeros((1, 16), np.uint8)
    batch = EncodedBatch(np.zeros(1, np.int64), encoded, offsets, _NO_REASON, no_digest)
    if lane.begin(batch).finish().reasons.any():
        raise EngineError("the decoder refuses a JPEG that is known to be good")


_NO_REASON = np.zeros(1, np.uint8)


def main() -> None:
    """Serve until the other end is closed, which is the only way to end a worker in good order."""
    # One that hangs would not notice that nobody listens any more.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # A core file would hold patients' images.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    with suppress(EOFError, ConnectionError), Connection(int(sys.argv[1])) as connection:
        speaker = _Speaker(connection)
        logging.getLogger().addHandler(speaker)
        try:
            _serve(connection, speaker)
        except BloodcellError as error:
            speaker.send(error)
