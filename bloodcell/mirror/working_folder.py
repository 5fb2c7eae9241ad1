"""The local folder that stands for a run in an object store while a process works on it."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from bloodcell.caches import user_cache
from bloodcell.errors import DiskError
from bloodcell.files import NOT_SUPPORTED, writing
from bloodcell.locks import LOCK

_RUN = "run"


class WorkingFolder:
    """An empty folder below the user's cache, for the user alone.

    Patients' images may lie in it: whoever made it removes it, and what a process that was killed
    left there goes when the next one is made. DiskError if the disk refuses.
    """

    def __init__(self) -> None:
        runs = _runs()
        with writing(runs), alone():
            _sweep(runs)
            self._home = Path(tempfile.mkdtemp(dir=runs))
            self._lock = _locked(self._home / LOCK)
            self.path = self._home / _RUN
            self.path.mkdir()

    def remove(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self._home, ignore_errors=True)
        if self._lock:
            self._lock.close()


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other process of this user and host is in such a block."""
    runs = _runs()
    with writing(runs):
        runs.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (runs / LOCK).open("ab")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:  # without locks nothing is swept, nothing taken over
            if error.errno not in NOT_SUPPORTED:
                raise
        yield


def _runs() -> Path:
    try:
        return user_cache() / "runs"
    except RuntimeError as error:
        raise DiskError(
            "a run in an object store needs a folder here to work in: set XDG_CACHE_HOME to one"
        ) from error


def _locked(path: Path) -> BinaryIO | None:
    """The file, open and locked; None if another process has it."""
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def _sweep(runs: Path) -> None:
    """Remove what processes left that are no more."""
    for left in runs.iterdir():
        if left.is_dir():
            with suppress(OSError):
                if lock := _locked(left / LOCK):
                    shutil.rmtree(left, ignore_errors=True)
                    lock.close()
