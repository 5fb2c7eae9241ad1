"""Sources of encoded bytes: from paths on disk to gated batches."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bloodcell import _core
from bloodcell.engine.batches import EncodedBatch
from bloodcell.errors import EngineError


def batches_of(table: pa.Table, batch_size: int) -> Iterator[pa.Table]:
    """``table`` in pieces of ``batch_size`` rows, the last one of what is left."""
    for start in range(0, table.num_rows, batch_size):
        yield table.slice(start, batch_size)


def read_files(root: Path, tables: Iterable[pa.Table]) -> Iterator[EncodedBatch]:
    """Read and gate the files of each table (columns ``row`` int64, ``path`` string).

    One batch a table. Relative paths are taken from ``root``. A file that cannot be read becomes
    a rejected cell; EngineError only when the machine is short of file handles or memory.
    """
    for table in tables:
        yield _read_batch(root, table["row"].to_numpy(), table["path"])


def _read_batch(root: Path, rows: npt.NDArray[np.int64], paths: pa.ChunkedArray) -> EncodedBatch:
    try:
        buffer, byte_offsets, reasons = _core.read_files(os.fsencode(root), *string_buffers(paths))
    except OSError as error:
        # A shortage of this machine (file handles, memory) must not pass for rejected cells.
        raise EngineError(f"cannot read images below {root}: {error}") from error
    return EncodedBatch(rows, buffer, byte_offsets, reasons)


def string_buffers(
    column: pa.Array | pa.ChunkedArray,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """The offsets int64 (N + 1,) and UTF-8 bytes of a string column without nulls."""
    whole = pc.cast(column, pa.large_string())
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.combine_chunks()
    _, offsets, data = whole.buffers()
    starts = np.frombuffer(offsets, np.int64)[whole.offset :][: len(whole) + 1]
    return starts, np.frombuffer(data, np.uint8) if data else np.empty(0, np.uint8)
