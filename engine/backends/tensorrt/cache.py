"""Where plans are kept: a folder that is the user's alone, files that are whole or not used.

A file holds one line of JSON, what it was made for and the digest of the rest, then the content.
Its name is the digest of what it was made for, so one of another network, GPU, driver, version
or option is never even looked at; one that was damaged, cut short or renamed is not used.
"""

import fcntl
import hashlib
import json
import logging
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from bloodcell.errors import EngineError
from bloodcell.files import write_whole

About: TypeAlias = Mapping[str, str | int]
"""What a file was made for: everything that could make it the wrong one."""

_LOG = logging.getLogger(__name__)


class PlanCache:
    """The files of one folder, made with mode 0700 if it is not there.

    A plan is a program for the GPU. Raises EngineError if the folder belongs to someone else or
    others may write to it: what they put there must never be loaded.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = folder.lstat()
        except OSError as error:
            raise EngineError(
                f"the folder for plans, {folder}, cannot be made: {error.strerror}"
            ) from error
        if not stat.S_ISDIR(status.st_mode):
            raise EngineError(f"{folder} is to hold plans, but it is no folder of its own")
        if status.st_uid != os.geteuid():
            raise EngineError(
                f"{folder} belongs to user {status.st_uid}, not to you ({os.geteuid()}): plans in "
                "it are not trusted. Set XDG_CACHE_HOME to a folder of your own"
            )
        if status.st_mode & 0o022:
            raise EngineError(
                f"others may write to {folder}: plans in it are not trusted. Delete what is in "
                f"it and run: chmod 700 {folder}"
            )
        self._folder = folder

    def path(self, about: About, suffix: str) -> Path:
        """The file for exactly this; it need not be there."""
        return self._folder / f"{hashlib.sha256(_json(about)).hexdigest()}.{suffix}"

    def read(self, about: About, suffix: str) -> bytes | None:
        """The content kept for exactly this; None if there is none that is whole."""
        path = self.path(about, suffix)
        try:
            header, _, content = path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise EngineError(f"{path} cannot be read: {error.strerror}") from error
        if header != _header(about, content):
            _LOG.warning("%s is damaged or of another make: it is made anew", path)
            return None
        return content

    def write(self, about: About, suffix: str, content: bytes) -> None:
        """Keep ``content``, whole or not at all. Call it inside ``locked``. Raises DiskError."""
        file = _header(about, content) + b"\n" + content
        write_whole(self.path(about, suffix), lambda path: path.write_bytes(file))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time, others wait.

        Two that build at once would spoil each other's timings of kernels and write the same
        file; the one that waited finds the plan ready.
        """
        descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _header(about: About, content: bytes) -> bytes:
    return _json({**about, "sha256": hashlib.sha256(content).hexdigest()})


def _json(about: About) -> bytes:
    return json.dumps(about, sort_keys=True).encode()
