"""Paths of a manifest that name one file twice, in whatever spelling."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bloodcell._core import hash_strings
from bloodcell.engine.names import spelling
from bloodcell.engine.source import string_buffers

_MARKS = [ord("."), ord("/")]


def path_listed_twice(manifest: Path, folder: str) -> str | None:
    """A path that two rows have, if spelled otherwise, below ``folder``; None if there is none.

    Compares 64-bit hashes, nine bytes a cell with a flag each, and looks closer only where two
    agree.
    """
    root = spelling(folder).rstrip("/")
    hashes = np.empty(pq.read_metadata(manifest).num_rows, np.uint64)
    rows = 0
    for column in _places(manifest, root):
        hashes[rows : rows + len(column)] = _hashes(column)
        rows += len(column)
    hashes.sort()
    suspects = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
    if len(suspects) == 0:
        return None
    seen: set[str] = set()
    for column in _places(manifest, root):
        for path in column.filter(pa.array(np.isin(_hashes(column), suspects))).to_pylist():
            if path in seen:
                return str(path)
            seen.add(path)
    return None


def paths_of(manifest: Path) -> Iterator[pa.Array]:
    """The paths of its rows, some at a time."""
    with pq.ParquetFile(manifest) as file:
        for batch in file.iter_batches(columns=["path"]):
            yield batch["path"]


def _places(manifest: Path, root: str) -> Iterator[pa.Array]:
    """Paths so that two of one file are equal, as far as can be told without following links."""
    for paths in paths_of(manifest):
        if _are_plain(paths):
            yield paths
            continue
        plain = pc.replace_substring(paths, "\\", "/")
        if not pc.all(pc.string_is_ascii(paths)).as_py():
            plain = pc.utf8_normalize(plain, "NFC")
        # a/./b and a//b are a/b.
        plain = pc.replace_substring_regex(plain, r"/(?:\.?/)+", "/")
        plain = pc.replace_substring_regex(plain, r"^(?:\./)+", "")
        if pc.any(pc.match_substring_regex(plain, r"^/|(?:^|/)\.\./")).as_py():
            plain = pa.array([_below(root, path) for path in plain.to_pylist()], pa.string())
        yield plain


def _are_plain(paths: pa.Array) -> bool:
    """Whether none is absolute or has anything in it that can be spelled in two ways; at once."""
    starts, data = string_buffers(paths)
    joined = data[starts[0] : starts[-1]].tobytes()
    has_mark = any(mark in joined for mark in (b"\\", b"//", b"/."))
    return joined.isascii() and not has_mark and not np.isin(data[starts[:-1]], _MARKS).any()


def _below(root: str, path: str) -> str:
    """A path with ``..`` or an absolute one as it would be without, from ``root`` on."""
    whole = os.path.normpath(path if path.startswith("/") else f"{root}/{path}")
    return whole.removeprefix(f"{root}/")


def _hashes(paths: pa.Array) -> np.typing.NDArray[np.uint64]:
    offsets, data = string_buffers(paths)
    return hash_strings(offsets, data)
