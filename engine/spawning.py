"""The bare process of a worker: light, so that it can be started before anything else is loaded."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing import Pipe

from bloodcell.errors import EngineError

_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[2:]; from bloodcell.engine.worker import main; main()"
)
"""Not ``-m``, which would give the module's classes another module's name; and with our path, for
in that of ``-c`` a file of the current folder takes the place of a package."""
END_WITHIN_S = 3.0
"""Then a worker is killed, which loses nothing: it writes no files while it scores."""


class Spawned:
    """A process that loads the libraries that score and waits for a setup.

    It ends when our end of ``connection`` is closed. ``environment``: variables set besides this
    process's.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.connection, theirs = Pipe()
        with theirs, _signals_blocked():
            self.process = _started(theirs.fileno(), {**os.environ, **environment})

    def end(self, within_s: float = END_WITHIN_S) -> None:
        """Close the connection, at which it ends; if it does not, it is killed."""
        self.connection.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.0, within_s))
        self.process.kill()
        # One that waits for a share that is away cannot even be killed.
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(END_WITHIN_S)


def _started(descriptor: int, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(
            [sys.executable or "", "-c", _PROGRAM, str(descriptor), *sys.path],
            env=environment,
            pass_fds=[descriptor],
            stdin=subprocess.DEVNULL,
            # Standard output is for the command's own result.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            # What is sent to the whole group is for the process that started it.
            start_new_session=True,
        )
    except OSError as error:
        # Where Python is embedded in another program, sys.executable may be empty or None.
        raise EngineError(
            f"cannot start a worker's process with sys.executable {sys.executable!r}: "
            f"{error.strerror}. It has to be a Python interpreter, and the machine to allow a "
            "further process"
        ) from error


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """What is started in the block never gets a signal to stop, from its first moment on.

    Service managers and batch systems send them to each process of a job; what they mean, the
    process that starts a worker decides.
    """
    before = signal.pthread_sigmask(
        signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    )
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_ahead: list[Spawned] = []


@contextmanager
def spawned_ahead() -> Iterator[None]:
    """Start a worker's process at once, so that it loads what it needs while this one does.

    The first worker that is started in the context is that process.
    """
    _ahead.append(Spawned({}))
    try:
        yield
    finally:
        while _ahead:
            unused = _ahead.pop()
            unused.end()
            assert unused.process.stderr
            unused.process.stderr.close()


def spawned(environment: Mapping[str, str]) -> Spawned:
    """A worker's process: the one that was started ahead, if it has the right environment."""
    return _ahead.pop() if _ahead and not environment else Spawned(environment)
