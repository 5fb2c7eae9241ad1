"""Files that are there whole or not at all, and their digests."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from bloodcell.errors import DiskError


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` make a file beside ``path``, sync it, then give it its name.

    Raises DiskError naming ``path`` if the disk refuses, and whatever ``write`` raises; nothing
    is left beside ``path`` then.
    """
    beside = path.with_name(path.name + ".new")
    try:
        write(beside)
        _sync(beside)
        beside.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise DiskError(
            f"cannot write {path}: {error.strerror or error}. What is finished is kept; "
            "mend the cause and run the same command again"
        ) from error
    finally:
        beside.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
