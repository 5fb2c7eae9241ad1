"""Sources of encoded bytes: from files and shards on disk to gated batches."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bloodcell._core import REASONS, read_ranges
from bloodcell._core import read_files as read_whole_files
from bloodcell.engine.batches import EncodedBatch
from bloodcell.engine.names import Spellings, bytes_of, text_of
from bloodcell.engine.object_source import Encoded, read_objects
from bloodcell.engine.object_store import ObjectPath, Place
from bloodcell.errors import EngineError, Stopped

_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)

_COLUMNS = ("path", "shard", "byte_offset", "byte_count")
_SHARD_HEADER_BYTES = 512
_MOST_NEIGHBOURS = 8

_MISSING = REASONS.index("missing")


def batches_of(table: pa.Table, batch_size: int) -> Iterator[pa.Table]:
    """``table`` in pieces of ``batch_size`` rows, the last one of what is left."""
    for start in range(0, table.num_rows, batch_size):
        yield table.slice(start, batch_size)


def read_files(
    root: Place, tables: Iterable[pa.Table], *, follows_codes: bool = True
) -> Iterator[EncodedBatch]:
    """Read and gate the images of each table (columns ``row`` int64, ``path`` string).

    An image is the file ``path``, or, in a table that has these columns, ``byte_count`` bytes from
    ``byte_offset`` on of the file ``shard`` (int64, null where an image is not in one piece).
    ``follows_codes``: whether the gate follows a JPEG's codes, which is nearly all of its time; who
    asks for digests alone need not.
    One batch a table. Relative paths are taken from ``root``; names are text as ``text_of`` makes
    it, and a file that is there under another spelling alone (``Spellings``) is read too. An image
    that cannot be read becomes a rejected cell; EngineError only when the machine is short of file
    handles or memory, Stopped when the file system fails for a whole batch and what lies beside it.

    In an object store the same holds of objects; there tables are taken ahead, and StoreError is
    Stopped too.
    """
    if isinstance(root, ObjectPath):
        with closing(read_objects(root, tables)) as read:
            for table, encoded in read:
                yield EncodedBatch(_numbers(table["row"]), *encoded)
        return
    before = None
    reader = _Reader(os.fsencode(root), Spellings(os.fsencode(root)), follows_codes)
    for table in tables:
        encoded = _read_or_stop(root, table, reader, before)
        yield EncodedBatch(_numbers(table["row"]), *encoded)
        before = table.slice(table.num_rows - 1)


def _read_or_stop(
    root: Path, table: pa.Table, reader: "_Reader", before: pa.Table | None
) -> Encoded:
    """Read ``table``; ``before``: a row that was read before it.

    What is this machine's fault or the file system's must not pass for rejected cells, nor one bad
    sector for the file system's: where no image of the table can be read, it is its neighbours that
    tell.
    """
    try:
        return reader.read(table)
    except OSError as error:
        if error.errno in _SHORTAGES:
            raise EngineError(f"cannot read images below {root}: {error}") from error
        neighbours = _neighbours(reader.root, table) or before
        if neighbours is not None:
            columns = [name for name in table.column_names if name in _COLUMNS]
            more = pa.concat_tables([table.select(columns), neighbours.select(columns)])
            with suppress(OSError):
                buffer, offsets, reasons, digests = reader.read(more)
                count = table.num_rows
                return buffer, offsets[: count + 1], reasons[:count], digests[:count]
        raise Stopped(
            f"stopped: the file system fails below {root} ({error.strerror}). What is finished "
            "is kept: mend or mount it, and run the same command again"
        ) from error


def _neighbours(root: bytes, table: pa.Table) -> pa.Table | None:
    """What lies beside the first image of ``table``: its shard's first bytes, or other files."""
    first = table.slice(0, 1)
    if "shard" in table.column_names:
        places = {"byte_offset": 0, "byte_count": _SHARD_HEADER_BYTES}
        start = {name: pa.array([place], pa.int64()) for name, place in places.items()}
        return pa.table({"path": first["path"], "shard": first["shard"], **start})
    own = {bytes_of(path) for path in table["path"].to_pylist()}
    folder = os.path.dirname(bytes_of(first["path"][0].as_py()))  # noqa: PTH120 - bytes
    below = os.path.join(root, folder)  # noqa: PTH118 - bytes
    try:
        names = [entry.name for entry in os.scandir(below) if entry.is_file()]
    except OSError:
        return None
    paths = [os.path.join(folder, name) for name in sorted(names)]  # noqa: PTH118 - bytes
    beside = [text_of(path) for path in paths if path not in own][:_MOST_NEIGHBOURS]
    return pa.table({"path": pa.array(beside, table["path"].type)}) if beside else None


@dataclass(frozen=True)
class _Reader:
    """Reads tables of files, or of ranges of shards, below ``root``."""

    root: bytes
    spellings: Spellings
    follows_codes: bool

    def read(self, table: pa.Table) -> Encoded:
        if "shard" not in table.column_names:
            return self._read_named(table["path"])
        begin, size = (pc.fill_null(table[name], -1) for name in ("byte_offset", "byte_count"))
        shards, numbers = string_buffers(_names_in(table["shard"])), map(_numbers, (begin, size))
        return read_ranges(self.root, *shards, *numbers, follows_codes=self.follows_codes)

    def _read_named(self, paths: pa.ChunkedArray) -> Encoded:
        names = _names_in(paths)
        encoded = self._read_whole(names)
        missing = np.flatnonzero(encoded[2] == _MISSING).tolist()
        places = {i: place for i in missing if (place := self.spellings.on_disk(paths[i].as_py()))}
        if not places:
            return encoded
        listed = enumerate(names.to_pylist())
        return self._read_whole(
            pa.array([places.get(i, name) for i, name in listed], pa.large_binary())
        )

    def _read_whole(self, names: pa.Array | pa.ChunkedArray) -> Encoded:
        return read_whole_files(self.root, *string_buffers(names), follows_codes=self.follows_codes)


def _names_in(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """A string column of names as ``text_of`` gives them, as bytes."""
    if not pc.any(pc.match_substring(column, "\\")).as_py():
        return pc.cast(column, pa.large_binary())
    return pa.array([bytes_of(text) for text in column.to_pylist()], pa.large_binary())


def _numbers(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """An int64 column without nulls. Not by ``to_numpy``, which loads pandas if it is installed."""
    return np.asarray(np.from_dlpack(column.combine_chunks()), np.int64)


def string_buffers(
    column: pa.Array | pa.ChunkedArray,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """The offsets int64 (N + 1,) and bytes of a string or binary column without nulls."""
    whole = pc.cast(column, pa.large_binary())
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.combine_chunks()
    _, offsets, data = whole.buffers()
    starts = np.frombuffer(offsets, np.int64)[whole.offset :][: len(whole) + 1]
    return starts, np.frombuffer(data, np.uint8) if data else np.empty(0, np.uint8)
