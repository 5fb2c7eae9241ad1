"""Standard streams that never end a run, signals that stop it in good order, and log lines.

Light: loaded before the command line, so that a signal in the first moments is heeded.
"""

import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import TextIO

stop_requested = threading.Event()
"""Set by a signal inside ``stop_on_signals``."""
_STOPPED_IN_ORDER = (["score"], ["fetch-data"], ["serve"])


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """SIGTERM, SIGINT and SIGHUP set ``stop_requested``; a second one of the kind ends at once.

    One that is ignored, as under nohup, stays so.
    """
    previous = {
        number: handler
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        if (handler := signal.getsignal(number)) != signal.SIG_IGN
    }

    def request(number: int, _frame: FrameType | None) -> None:
        stop_requested.set()
        signal.signal(number, previous[signal.Signals(number)])

    for number in previous:
        signal.signal(number, request)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        stop_requested.clear()


@contextmanager
def as_command() -> Iterator[None]:
    """What a command runs in; never for a library. Long ones are stopped in good order."""
    _keep_streams_open()
    with stop_on_signals() if sys.argv[1:2] in _STOPPED_IN_ORDER else nullcontext():
        yield


def _keep_streams_open() -> None:
    """Standard output and error lose what cannot be written, and nothing raises for it.

    A log that is closed, full or of another alphabet is no reason to lose a night. Descriptors
    that are closed lead nowhere from now on, or the first file opened would get what libraries
    say there.
    """
    # The system gives the lowest number that is free.
    while (nowhere := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(nowhere)
    sys.stdout, sys.stderr = _unbreakable(1, sys.stdout), _unbreakable(2, sys.stderr)


class _WhatCanBeWritten(io.RawIOBase):
    """A descriptor that takes everything and drops what the system refuses."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        try:
            return os.write(self._descriptor, data)
        except OSError:
            return len(data)


def _unbreakable(descriptor: int, stream: TextIO | None) -> TextIO:
    return io.TextIOWrapper(
        io.BufferedWriter(_WhatCanBeWritten(descriptor)),  # type: ignore[type-var]
        encoding=stream.encoding if stream else "utf-8",
        # What the terminal's alphabet lacks is escaped.
        errors="backslashreplace",
        line_buffering=True,
    )


def printable(value: object) -> str:
    """``value`` as text; what would move the cursor or be invisible is escaped."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in str(value)
    )


def log_lines(level: int) -> None:
    """Show the package's log on standard error, one line a message, above a progress bar."""
    import logging

    class OneLine(logging.Formatter):
        """A message may hold what files are called, and errors of other libraries."""

        def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's
            return printable(super().formatMessage(record))

    handler = logging.StreamHandler(_StandardError())
    handler.setFormatter(OneLine("%(asctime)s %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])
    # A second command in the same process may ask for another.
    logging.getLogger().setLevel(level)


class _StandardError:
    """Whatever ``sys.stderr`` is now: while a bar is shown, rich puts its own there."""

    def write(self, text: str) -> None:
        sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()
