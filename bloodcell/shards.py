"""Tar shards in WebDataset form: which members are cells, and where their bytes lie.

Only headers are read here. What stays in memory is one batch of rows.
"""

import itertools
import logging
import os
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import pyarrow as pa

from bloodcell.errors import InputError

_LOG = logging.getLogger(__name__)

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp")
RANGE_COLUMNS = ("shard", "byte_offset", "byte_count")
"""What a manifest of shards has besides ``path`` and ``patient``."""

_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst")
_ROWS_PER_BATCH = 4096
_ZEROS_AT_ONCE = 1 << 20
_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("patient", pa.string()),
        ("shard", pa.string()),
        ("byte_offset", pa.int64()),
        ("byte_count", pa.int64()),
    ]
)


def is_archive(name: str) -> bool:
    """Whether a file of this name is a shard, or would be one if it were not compressed."""
    return name.lower().endswith((".tar", *_COMPRESSED))


def shards_among(folder: Path, entries: Iterable[os.DirEntry[str]]) -> list[str]:
    """Names of the shards among a folder's entries; InputError if there are cells beside them."""
    shards, others = [], []
    for entry in entries:
        if not entry.is_dir() and is_archive(entry.name):
            shards.append(entry.name)
        elif entry.is_dir() or entry.name.lower().endswith(IMAGE_SUFFIXES):
            others.append(entry.name)
    if shards and others:
        raise InputError(
            f"{folder} holds tar shards ({shards[0]}, ...) beside folders or images ({others[0]}, "
            "...): put the shards into a folder of their own"
        )
    return shards


def list_shards(folder: Path, names: Iterable[str]) -> Iterator[pa.RecordBatch]:
    """The cells of the shards ``names`` in ``folder``: shard by shard, in the archive's order.

    A cell is a member with an image's suffix that is not hidden. ``path`` (string) is shard and
    member, ``patient`` (string) the member's first folder, or the shard's name without suffix.
    ``shard`` (string), ``byte_offset`` and ``byte_count`` (int64) say where its bytes lie; both are
    null for a link, a device or a sparse member. Raises InputError naming the shard if it is
    compressed, damaged or cut short, is listed already, or has members outside its folder.
    """
    seen: set[tuple[int, int]] = set()
    ignored: Counter[str] = Counter()
    for name in names:
        _check_file(folder / name, seen)
        cells, is_empty = _cells_of(folder / name, ignored), True
        while batch := list(itertools.islice(cells, _ROWS_PER_BATCH)):
            yield pa.RecordBatch.from_pylist(batch, schema=_SCHEMA)
            is_empty = False
        if is_empty:
            _LOG.warning("%s holds no images", folder / name)
    if ignored:
        common = ", ".join(f"{n} {suffix or 'none'}" for suffix, n in ignored.most_common(5))
        _LOG.info("%d members are no cells by their suffix: %s", ignored.total(), common)


def _check_file(shard: Path, seen: set[tuple[int, int]]) -> None:
    """Refuse what could not be read in place later, or would count cells twice."""
    if shard.name.lower().endswith(_COMPRESSED):
        raise InputError(
            f"{shard} is compressed: an uncompressed .tar is expected, because cells are read in "
            "place. Unpack it once"
        )
    if not shard.is_file():
        raise InputError(f"{shard} is not a file: a tar shard is expected")
    try:
        shard.name.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"the shard {shard.name!r} has a name that is not UTF-8: rename it"
        ) from error
    refuse_second_way(shard, "shard", seen)


def refuse_second_way(path: Path, kind: str, seen: set[tuple[int, int]]) -> None:
    """InputError if ``path`` is in ``seen``, as a link would have it; else note it there."""
    status = path.stat()
    identity = status.st_dev, status.st_ino
    if identity in seen:
        raise InputError(
            f"{path} leads to a {kind} that was listed already: its cells would count twice. "
            "Remove the link"
        )
    seen.add(identity)


def _cells_of(shard: Path, ignored: Counter[str]) -> Iterator[dict[str, Any]]:
    """One row a cell; other members are counted in ``ignored`` by their suffix."""
    for member in _members_of(shard):
        if member.isdir():
            continue
        parts = [part for part in member.name.split("/") if part not in ("", ".")]
        if member.name.startswith("/") or ".." in parts:
            raise InputError(
                f"{shard} has the member {member.name}, whose first folder is no patient: "
                "`tar -C SMEARS -cf SHARD .` names members from the patient on"
            )
        # As in a folder: macOS, for one, puts a ._x.jpg beside each x.jpg.
        if not parts or parts[0].startswith(".") or parts[-1].startswith("."):
            continue
        if parts[-1].lower().endswith(IMAGE_SUFFIXES):
            yield _row(shard, member, parts)
        else:
            ignored[PurePosixPath(parts[-1]).suffix] += 1


def _row(shard: Path, member: tarfile.TarInfo, parts: list[str]) -> dict[str, Any]:
    is_in_one_piece = member.isreg() and not member.issparse()
    return {
        "path": "/".join([shard.name, *parts]),
        "patient": parts[0] if len(parts) > 1 else shard.stem,
        "shard": shard.name,
        "byte_offset": member.offset_data if is_in_one_piece else None,
        "byte_count": member.size if is_in_one_piece else None,
    }


def _members_of(shard: Path) -> Iterator[tarfile.TarInfo]:
    """The members of a whole archive; InputError for what tarfile would pass over in silence."""
    with shard.open("rb") as file:
        try:
            # Names become the text that manifest.printable() makes of them.
            with tarfile.open(
                fileobj=file, mode="r:", encoding="utf-8", errors="backslashreplace"
            ) as archive:
                yield from _ascending(archive)
                _check_end(file, archive.offset)
        except (tarfile.TarError, ValueError, OverflowError) as error:
            raise InputError(
                f"{shard} is not a whole, uncompressed tar ({error}): some of its cells would be "
                "lost. Make or copy it anew"
            ) from error


def _ascending(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    last = -1
    while (member := archive.next()) is not None:
        # A negative size leads back, and would go round and round.
        if member.offset <= last:
            raise tarfile.ReadError(f"damaged header at byte {last}")
        last = member.offset
        yield member
        # Or it would keep them all.
        archive.members = []  # type: ignore[attr-defined]


def _check_end(file: BinaryIO, offset: int) -> None:
    """Hold what is behind the last member against an end mark: zeros, 512 at least, and no more.

    tarfile ends without a word at a damaged header, at a cut between two members, and where a
    second archive was appended.
    """
    file.seek(offset)
    block = file.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE:
        raise tarfile.ReadError(f"cut short at byte {offset}")
    if block.strip(b"\0"):
        raise tarfile.ReadError(f"damaged header at byte {offset}")
    while block := file.read(_ZEROS_AT_ONCE):
        if block.strip(b"\0"):
            raise tarfile.ReadError(f"more data behind its end mark at byte {offset}")
