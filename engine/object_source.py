"""Images in an object store: read ahead, whole objects or ranges of shards, and gated."""

import errno
import posixpath
import unicodedata
from collections.abc import Awaitable, Callable, Generator, Iterable
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bloodcell._core import REASONS, read_memory
from bloodcell.engine.channel import Channel
from bloodcell.engine.names import bytes_of
from bloodcell.engine.object_listing import level
from bloodcell.engine.object_store import ObjectPath
from bloodcell.engine.store_errors import is_beyond
from bloodcell.errors import Stopped, StoreError

TABLES_AHEAD = 4
"""Whose images are read or wait to be taken: with 32 each, 128 requests."""
_WHOLE = 0, (256 << 20) + 1
"""Of an object, which may be larger than any memory: more than this the gate refuses."""
_MOST_GAP, _MOST_RANGE = 64 << 10, 8 << 20
"""Ranges of a shard with fewer bytes between them are asked for as one, up to so many bytes."""
_MOST_NEIGHBOURS = 8

_REASON_OF_ERROR = {errno.ENOENT: REASONS.index("missing")}
_TRUNCATED, _UNREADABLE = REASONS.index("truncated"), REASONS.index("unreadable")

Encoded: TypeAlias = tuple[
    npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.uint8], npt.NDArray[np.uint8]
]
"""Buffer, offsets, reasons and digests, as an ``EncodedBatch`` has them."""
_Begun: TypeAlias = "list[Future[bytes] | _Part | None]"


class _Part:
    """One image's bytes of a range that is read for several."""

    def __init__(self, whole: "Future[bytes]", start: int, size: int) -> None:
        self._whole, self._start, self._size = whole, start, size

    def result(self) -> bytes | None:
        """None if they are not all there."""
        content = self._whole.result()[self._start : self._start + self._size]
        return content if len(content) == self._size else None

    def cancel(self) -> None:
        self._whole.cancel()


def read_objects(
    root: ObjectPath, tables: Iterable[pa.Table]
) -> Generator[tuple[pa.Table, Encoded]]:
    """See ``read_files``: each table, in order, with what its images are; tables are taken ahead.

    Raises Stopped where the store is no use as a whole.
    """
    begun: Channel[tuple[pa.Table, _Begun]] = Channel(TABLES_AHEAD - 1)
    Thread(target=_begin_all, args=(root, tables, begun), daemon=True).start()
    before: pa.Table | None = None
    try:
        for table, images in begun:
            yield table, _encoded(root, table, images, before)
            before = table.slice(table.num_rows - 1)
    finally:
        begun.abandon()


def _begin_all(
    root: ObjectPath, tables: Iterable[pa.Table], begun: Channel[tuple[pa.Table, _Begun]]
) -> None:
    try:
        for table in tables:
            images = _begin(root, table)
            if not begun.put((table, images)):
                for image in images:
                    if image is not None:
                        image.cancel()
                return
        begun.end()
    except BaseException as error:
        begun.end(error)


def _begin(root: ObjectPath, table: pa.Table) -> _Begun:
    """What is read for each row; None where nothing can be."""
    if "shard" in table.column_names:
        return _begin_ranges(root, table)
    places = [_place(root, path) for path in table["path"].to_pylist()]
    return [None if place is None else place.submit(_range(place, *_WHOLE)) for place in places]


def _place(root: ObjectPath, path: str) -> ObjectPath | None:
    """None for a name that no object has."""
    try:
        name = bytes_of(path).decode()
    except UnicodeDecodeError:
        return None
    if name.startswith("./") or "/./" in name:
        name = posixpath.normpath(name)
    return root / name


def _begin_ranges(root: ObjectPath, table: pa.Table) -> _Begun:
    """A request for each run of ranges that lie close to each other in one shard."""
    names = ("shard", "byte_offset", "byte_count")
    shards, starts, sizes = (table[name].to_pylist() for name in names)
    begun: _Begun = [None] * table.num_rows
    rows = [i for i in range(table.num_rows) if _is_range(starts[i], sizes[i])]
    rows.sort(key=lambda i: (shards[i], starts[i]))
    while rows:
        shard, start = shards[rows[0]], starts[rows[0]]
        end, count = start, 0
        for i in rows:
            last = starts[i] + sizes[i]
            is_near = shards[i] == shard and starts[i] - end <= _MOST_GAP
            if count and not (is_near and last - start <= _MOST_RANGE):
                break
            end, count = max(end, last), count + 1
        place = _place(root, shard)
        if place is not None:
            whole = place.submit(_range(place, start, end)) if end > start else _nothing()
            for i in rows[:count]:
                begun[i] = _Part(whole, starts[i] - start, sizes[i])
        rows = rows[count:]
    return begun


def _nothing() -> "Future[bytes]":
    future: Future[bytes] = Future()
    future.set_result(b"")
    return future


def _is_range(start: int | None, size: int | None) -> bool:
    return start is not None and size is not None and start >= 0 and size >= 0


def _range(place: ObjectPath, start: int, end: int) -> Callable[[Any], Awaitable[bytes]]:
    """Reads bytes from ``start`` to before ``end``, as far as there are any."""

    async def read(store: Any) -> bytes:
        try:
            content: bytes = await store._cat_file(place.key, start=start, end=end)
        except Exception as error:  # each store's package has its own
            if not is_beyond(error):
                raise
            return b""
        return content

    return read


def _encoded(root: ObjectPath, table: pa.Table, begun: _Begun, before: pa.Table | None) -> Encoded:
    """Wait for the images of ``table``; ``before``: a row that was read before it."""
    contents, reasons = [], np.zeros(table.num_rows, np.uint8)
    failed: OSError | None = None
    try:
        for i, image in enumerate(begun):
            content, reason, error = _result(image)
            if error is not None and "shard" not in table.column_names:
                content, reason = _other_spelling(root, table["path"][i].as_py(), reason)
            contents.append(content)
            reasons[i] = reason
            failed = error if reason == _UNREADABLE and error else failed
        if failed is not None and (reasons == _UNREADABLE).all():
            _refuse_store(root, table, before, failed)
    except StoreError as error:
        raise _stopped(error) from error
    buffer, offsets, gated, digests = read_memory(contents)
    not_read = reasons > 0
    digests[not_read] = 0
    return buffer, offsets, np.where(not_read, reasons, gated).astype(np.uint8), digests


def _result(image: "Future[bytes] | _Part | None") -> tuple[bytes, int, OSError | None]:
    """An image's bytes, or why there are none; and what the store said to that."""
    if image is None:
        return b"", _UNREADABLE, None
    try:
        content = image.result()
    except OSError as error:
        return b"", _REASON_OF_ERROR.get(error.errno or 0, _UNREADABLE), error
    return (b"", _TRUNCATED, None) if content is None else (content, 0, None)


def _other_spelling(root: ObjectPath, path: str, reason: int) -> tuple[bytes, int]:
    r"""What is there with its letters composed or not, or ``/`` for ``\``; see Spellings."""
    if reason != _REASON_OF_ERROR[errno.ENOENT] or (path.isascii() and "\\" not in path):
        return b"", reason
    slashed = path.replace("\\", "/")
    spelled = [unicodedata.normalize(form, slashed) for form in ("NFC", "NFD")]
    for other in dict.fromkeys([path, slashed, *spelled]):
        place = root / other
        with suppress(OSError):
            return place.run(_range(place, *_WHOLE)), 0
    return b"", reason


def _refuse_store(
    root: ObjectPath, table: pa.Table, before: pa.Table | None, error: OSError
) -> None:
    """Stopped if what lies beside the images of ``table``, none of which can be read, cannot be."""
    asked = [place.submit_read(0, 1) for place in _neighbours(root, table, before)]
    for neighbour in asked:
        with suppress(OSError):
            neighbour.result()
            return
    raise _stopped(error)


def _neighbours(root: ObjectPath, table: pa.Table, before: pa.Table | None) -> list[ObjectPath]:
    """What was read before, or other objects in the folder."""
    column = "shard" if "shard" in table.column_names else "path"
    if before is not None:
        place = _place(root, before[column][0].as_py())
        return [] if place is None else [place]
    own = {_place(root, name) for name in table[column].to_pylist()}
    folder = next(place for place in own if place is not None).parent
    with suppress(OSError):
        beside = (folder / name for name in level(folder)[1])
        return [place for place in beside if place not in own][:_MOST_NEIGHBOURS]
    return []


def _stopped(error: Exception) -> Stopped:
    said = getattr(error, "strerror", None) or error
    return Stopped(
        f"stopped: {said}. What is finished is kept: run the same command again when the store "
        "can be had"
    )
