"""Tar shards in WebDataset form: which members are cells, and where their bytes lie.

Only headers are read here. What stays in memory is one batch of rows.
"""

import errno
import itertools
import logging
import re
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NoReturn

import pyarrow as pa

from bloodcell.engine.names import text_of
from bloodcell.engine.object_store import Place
from bloodcell.errors import InputError
from bloodcell.input.listing import (
    IMAGE_SUFFIXES,
    OTHER_IMAGE_SUFFIXES,
    LeftOut,
    may_all_be_cells,
    refuse_compressed,
    why_no_cell,
)

_LOG = logging.getLogger(__name__)

_CELL_SUFFIXES = (*IMAGE_SUFFIXES, *OTHER_IMAGE_SUFFIXES)
_DRIVE = re.compile("[A-Za-z]:/")
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


def list_shards(folder: Place, names: Iterable[str], left_out: LeftOut) -> Iterator[pa.RecordBatch]:
    """The cells of the shards ``names`` in ``folder``: shard by shard, in the archive's order.

    A cell is a member with an image's suffix, unless its name or a folder's on its way says that it
    is none; other members are counted in ``left_out``. ``path`` (string) is shard and member,
    ``patient`` (string) the member's first folder, or the shard's name without suffix. ``shard``
    (string), ``byte_offset`` and ``byte_count`` (int64) say where its bytes lie; both are null for
    a link, a device or a sparse member. Raises InputError naming the shard if it is compressed,
    damaged or cut short, is listed already, has members outside its folder or whose folders cannot
    be told, or cells both in folders and in none.
    """
    seen: set[tuple[int, int]] = set()
    empty = 0
    for name in names:
        _check_file(folder / name, seen)
        cells, is_empty = _cells_of(folder / name, left_out), True
        while batch := list(itertools.islice(cells, _ROWS_PER_BATCH)):
            yield pa.RecordBatch.from_pylist(batch, schema=_SCHEMA)
            is_empty = False
        empty += is_empty
    if empty:
        _LOG.warning("%d shards in %s hold no images", empty, folder)


def _check_file(shard: Place, seen: set[tuple[int, int]]) -> None:
    """Refuse what could not be read in place later, or would count cells twice."""
    refuse_compressed(shard)
    if not shard.is_file():
        raise InputError(f"{shard} is not a file: a tar shard is expected")
    if isinstance(shard, Path):  # an object has one name
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


def _cells_of(shard: Place, left_out: LeftOut) -> Iterator[dict[str, Any]]:
    """One row a cell; other members are counted in ``left_out``."""
    shard_name, patient = text_of(shard.name), text_of(shard.stem)
    loose, in_folder = "", ""
    for member in _members_of(shard):
        if member.isdir():
            continue
        parts = _parts_of(member.name, shard)
        if why := _why_left_out(parts):
            left_out.note(why)
        elif "\\" in member.name and "/" in member.name:
            raise InputError(
                f"{shard} has the member {_as_text(member.name)}, with \\ and / in its name: "
                "which of them divides folders cannot be told, nor whose cell it is. Make it anew "
                "by `tar -C SMEARS -cf SHARD .`"
            )
        else:
            if len(parts) > 1:
                in_folder = in_folder or parts[0]
            else:
                loose = loose or parts[0]
            if loose and in_folder:
                _refuse_beside_folders(shard, loose, in_folder)
            yield {
                "path": "/".join([shard_name, *parts]),
                "patient": parts[0] if len(parts) > 1 else patient,
                "shard": shard_name,
                **_range_of(member),
            }


def _refuse_beside_folders(shard: Place, image: str, patient: str) -> NoReturn:
    raise InputError(
        f"{shard} holds images ({image}, ...) beside its patients' folders ({patient}, ...): whose "
        "they are cannot be told. Put them into a patient's folder and make the shard anew"
    )


def _parts_of(name: str, shard: Place) -> list[str]:
    r"""The folders and the file of a member's name, which of Windows has ``\`` for ``/``."""
    path = name.replace("\\", "/")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not path.isascii():
        parts = [_as_text(part) for part in parts]
    if path.startswith("/") or ".." in parts or _DRIVE.match(path):
        raise InputError(
            f"{shard} has the member {_as_text(name)}, whose first folder is no patient: "
            "`tar -C SMEARS -cf SHARD .` names members from the patient on"
        )
    return parts


def _as_text(name: str) -> str:
    return text_of(name.encode("utf-8", "surrogateescape"))


def _why_left_out(parts: list[str]) -> str | None:
    if not may_all_be_cells(parts):
        for part in parts:
            if why := why_no_cell(part):
                return why
    if parts and parts[-1].lower().endswith(_CELL_SUFFIXES):
        return None
    suffix = PurePosixPath(parts[-1]).suffix.lower() if parts else ""
    # Of a number there may be as many as members.
    return f"with the suffix {suffix}" if suffix[1:].isalpha() else "without an image's suffix"


def _range_of(member: tarfile.TarInfo) -> dict[str, int | None]:
    is_in_one_piece = member.isreg() and not member.issparse()
    return {
        "byte_offset": member.offset_data if is_in_one_piece else None,
        "byte_count": member.size if is_in_one_piece else None,
    }


_DAMAGES = (
    tarfile.TarError, ValueError, OverflowError, RecursionError, MemoryError, OSError,
)  # fmt: skip
"""What tarfile raises of headers that claim what cannot be."""


def _members_of(shard: Place) -> Iterator[tarfile.TarInfo]:
    """The members of a whole archive; InputError for what tarfile would pass over in silence."""
    with shard.open("rb") as file:
        try:
            with tarfile.open(fileobj=file, mode="r:", encoding="utf-8") as archive:
                yield from _ascending(archive)
                _check_end(file, archive.offset)
        except _DAMAGES as error:
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise  # not of a place that no file can have
            raise InputError(
                # Cut, for it may quote the bytes that are no header.
                f"{shard} is not a whole, uncompressed tar ({error!s:.80}): some of its cells "
                "would be lost. Make or copy it anew"
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
