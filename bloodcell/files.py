"""Files that are there whole or not at all, and their digests."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bloodcell.errors import DiskError


@contextmanager
def writing(path: Path, advice: str = "") -> Iterator[None]:
    """Raise an OSError inside as a DiskError: ``path`` cannot be written."""
    try:
        yield
    except OSError as error:
        raise DiskError(f"cannot write {path}: {error.strerror or error}{advice}") from error


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` make a file beside ``path``, sync it, then give it its name.

    Raises DiskError naming ``path`` if the disk refuses, and whatever ``write`` raises; nothing
    is left beside ``path`` then.
    """
    beside = path.with_name(path.name + ".new")
    advice = ". What is finished is kept; mend the cause and run the same command again"
    try:
        with writing(path, advice):
            write(beside)
            _sync(beside)
            beside.replace(path)
            _sync(path.parent)
    finally:
        # Where the disk refuses this too, what it refused first is what to say.
        with suppress(OSError):
            beside.unlink(missing_ok=True)


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


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
