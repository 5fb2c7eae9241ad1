"""Files that are there whole or not at all, and their digests."""

import errno
import hashlib
import json
import logging
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bloodcell.errors import DiskError

_LOG = logging.getLogger(__name__)

NOT_SUPPORTED = frozenset(
    (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK, errno.ENOTTY, errno.EBADF)
)
"""How file systems, of networks above all, say that they do not know a call."""

_FOLDER_NOT_SYNCED = NOT_SUPPORTED | {errno.EACCES, errno.EPERM, errno.EISDIR}

_not_synced: set[int] = set()
"""Devices that were warned of."""

_listeners: dict[Path, Callable[[Path], None]] = {}
"""By folder: who is told of its files."""


@contextmanager
def telling(folder: Path, listener: Callable[[Path], None]) -> Iterator[None]:
    """In a block, call ``listener`` with each file below ``folder`` that has just become whole.

    It is called in the thread that wrote the file, and who wrote gets what it raises.
    """
    _listeners[folder] = listener
    try:
        yield
    finally:
        del _listeners[folder]


def tell(path: Path) -> None:
    """Say that the file ``path`` is whole: what is written here says so itself."""
    for folder, listener in list(_listeners.items()):
        if path.is_relative_to(folder):
            listener(path)


@contextmanager
def writing(path: Path, advice: str = "") -> Iterator[None]:
    """Raise an OSError inside as a DiskError: ``path`` cannot be written."""
    try:
        yield
    except OSError as error:
        raise DiskError(f"cannot write {path}: {error.strerror or error}{advice}") from error


def write_whole(path: Path, write: Callable[[Path], object], *, syncs_folder: bool = True) -> None:
    """Let ``write`` make a file beside ``path``, sync it, then give it its name.

    Not ``syncs_folder``: of many files, the caller calls ``sync_folder`` once. Raises DiskError
    naming ``path`` if the disk refuses, and whatever ``write`` raises; nothing is left beside
    ``path`` then.
    """
    beside = path_beside(path)
    advice = ". What is finished is kept; mend the cause and run the same command again"
    try:
        with writing(path, advice):
            write(beside)
            _sync(beside)
            beside.replace(path)
            if syncs_folder:
                sync_folder(path.parent)
    finally:
        # Where the disk refuses this too, what it refused first is what to say.
        with suppress(OSError):
            beside.unlink(missing_ok=True)
    tell(path)


@contextmanager
def writing_together(writers: Mapping[Path, Callable[[Path], object]]) -> Iterator[None]:
    """Let each of ``writers`` make a file beside its path; they get their names when a block ends.

    DiskError, naming the path, if the disk refuses one. If it refuses to make one, or the block
    raises, no path has changed; whatever happens, nothing is left beside them.
    """
    beside = {path: path_beside(path) for path in writers}
    try:
        for path, write in writers.items():
            with writing(path):
                write(beside[path])
                _sync(beside[path])
        yield
        for path, made in beside.items():
            with writing(path):
                made.replace(path)
                sync_folder(path.parent)
            tell(path)
    finally:
        for made in beside.values():
            with suppress(OSError):
                made.unlink(missing_ok=True)


def path_beside(path: Path) -> Path:
    """A new name in the same folder, for a file that is to become ``path``."""
    return path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")


def is_left_over(name: str, of: str) -> bool:
    """Whether a process that was killed left a file of this name where it wrote one named ``of``.

    ``of``: a regular expression.
    """
    return re.fullmatch(rf"(?:{of})(?:\.[0-9a-f]{{8}})?\.new", name) is not None


def write_json(path: Path, content: Any) -> None:
    """Write ``content``, which holds no NaN, as ``write_whole`` does."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(path, lambda beside: beside.write_text(text, "utf-8"))


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def sync_folder(folder: Path) -> None:
    """Sync the names in ``folder``; OSError if the disk refuses, a warning if it cannot."""
    try:
        _sync(folder)
    except OSError as error:
        if error.errno not in _FOLDER_NOT_SYNCED:
            raise
        device = folder.stat().st_dev
        if device not in _not_synced:
            _not_synced.add(device)
            _LOG.warning(
                "%s cannot be synced on its file system (%s): what was written last may be lost in "
                "a power cut, and is then scored again", folder, error.strerror,
            )  # fmt: skip


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
