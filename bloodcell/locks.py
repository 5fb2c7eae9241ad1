"""One writer a folder: a lock of the file system, or a file that names its holder."""

import fcntl
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO

from bloodcell.errors import RunError
from bloodcell.files import NOT_SUPPORTED, path_beside, writing

_LOG = logging.getLogger(__name__)

LOCK, HOLDER = ".lock", ".holder"
"""The file that is locked, and the one that stands for a lock where there are none."""

_WRITTEN_WITHIN_S = 1.0
"""A name that is not whole after this was left by a process that was killed."""


@dataclass(frozen=True)
class Holder:
    """A process that writes to a folder, or to a run in an object store."""

    host: str
    pid: int
    begun: str
    """When the process began, as the kernel counts; another process may get its number."""
    since: str

    @property
    def is_gone(self) -> bool:
        """Whether it was a process of this host that is no more."""
        return self.host == socket.gethostname() and _begun(self.pid) != self.begun

    @property
    def is_here(self) -> bool:
        """Whether it is this process."""
        own = self.own()
        return (self.host, self.pid, self.begun) == (own.host, own.pid, own.begun)

    @classmethod
    def own(cls) -> "Holder":
        """This process."""
        since, pid = datetime.now(timezone.utc).isoformat(timespec="seconds"), os.getpid()
        return cls(socket.gethostname(), pid, _begun(pid), since)

    @classmethod
    def read(cls, content: str | bytes) -> "Holder | None":
        """Who a file or an object names, which may say more; None if it is not whole."""
        with suppress(ValueError, LookupError, TypeError, RecursionError):
            entries = json.loads(content)
            return cls(**{field.name: entries[field.name] for field in fields(cls)})
        return None

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold ``folder`` against a second writer; RunError, which names the holder, if it is held.

    Where the file system has no locks a file with host, process and time stands for one, and a
    line in the log says so; one that a process of this host left behind is taken over.
    DiskError if the folder cannot be written to.
    """
    with writing(folder):
        lock = (folder / LOCK).open("ab+")
    with lock:
        with writing(folder):
            has_lock = _lock(lock, folder)
            holder = None if has_lock and not (folder / HOLDER).exists() else Holder.own()
            if holder:
                _claim(folder / HOLDER, holder)
        process_id = os.getpid()
        try:
            yield
        finally:
            # A process that was forked meanwhile has the lock open, too: it may not give it up, and
            # closing the file here alone would not.
            if os.getpid() == process_id:
                _give_up(folder, lock if has_lock else None, holder)


def _give_up(folder: Path, lock: BinaryIO | None, holder: Holder | None) -> None:
    with suppress(OSError):
        # Never another's, who came while this one's was put aside.
        if holder and _holder_of(folder / HOLDER) == holder:
            (folder / HOLDER).unlink()
    with suppress(OSError):
        if lock:
            fcntl.flock(lock, fcntl.LOCK_UN)


def _lock(lock: BinaryIO, folder: Path) -> bool:
    """Lock the file and name the holder in it; False where the file system has no locks."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise _in_use(folder / LOCK) from error
    except OSError as error:
        if error.errno not in NOT_SUPPORTED:
            raise
        _LOG.warning(
            "%s lies on a file system without locks (%s): the file %s there keeps a second run out",
            folder, error.strerror, HOLDER,
        )  # fmt: skip
        return False
    # Who begins no run after all takes its lock away, and a third may make another.
    if os.fstat(lock.fileno()).st_nlink == 0:
        raise RunError(
            f"{folder} was removed by another process at this moment: run the same command again"
        )
    lock.truncate(0)
    lock.write(json.dumps(asdict(Holder.own())).encode())
    lock.flush()
    return True


def _claim(path: Path, holder: Holder) -> None:
    """Make the holder's file, in place of one whose process is gone; else RunError."""
    if path.exists():
        _clear(path)
    _make(path, json.dumps(asdict(holder)).encode())


def _make(path: Path, content: bytes) -> None:
    """Make the file, where there are hard links whole or not at all; RunError if there is one."""
    beside = path_beside(path)
    try:
        beside.write_bytes(content)
        try:
            os.link(beside, path)
        except FileExistsError:
            raise
        except OSError:  # as where there are no hard links
            _make_in_steps(path, content)
    except FileExistsError as error:
        raise _in_use(path) from error
    finally:
        with suppress(OSError):
            beside.unlink()


def _make_in_steps(path: Path, content: bytes) -> None:
    """Make the file, then write to it; FileExistsError if another process took the place of it.

    Who is held up between the two for long is taken to be killed, and finds out here.
    """
    with path.open("xb") as file:
        file.write(content)
    own = Holder.read(content)
    if _holder_of(path) != own:
        time.sleep(_WRITTEN_WITHIN_S)  # it may be aside, and is put back
        if _holder_of(path) != own:
            raise FileExistsError(path)


def _clear(path: Path) -> None:
    holder = _waited_for_holder_of(path)
    if holder is not None and not holder.is_gone:
        raise _in_use(path)
    aside = path_beside(path)
    with suppress(FileNotFoundError):
        path.rename(aside)
        try:
            if _holder_of(aside) != holder:  # another process was quicker to take it over
                _make(path, aside.read_bytes())  # not over what a third one has made meanwhile
                raise _in_use(path)
        finally:
            aside.unlink()


def _holder_of(path: Path) -> Holder | None:
    """Who the file names; None if it is not whole."""
    with suppress(OSError):
        return Holder.read(path.read_bytes())
    return None


def _waited_for_holder_of(path: Path) -> Holder | None:
    """The same, but one that is just being written is waited for."""
    holder = _holder_of(path)
    # A lock keeps the name of the last run's process.
    if holder is None or (path.name == LOCK and holder.is_gone):
        time.sleep(_WRITTEN_WITHIN_S)
        holder = _holder_of(path)
    return holder


def _begun(pid: int) -> str:
    """Boot and moment at which a process of this host began; "" if there is none."""
    try:
        # The command's name, in parentheses, may hold blanks.
        after_name = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2]
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + after_name.split()[19]
    except (OSError, IndexError):
        return ""


def _in_use(path: Path) -> RunError:
    holder, advice = _waited_for_holder_of(path), ""
    if path.name == HOLDER and holder and holder.host != socket.gethostname():
        advice = f". If that process is gone, delete {path} and run the same command again"
    who = holder or "it left no name"
    return RunError(f"{path.parent} is being written by another process ({who}){advice}")
