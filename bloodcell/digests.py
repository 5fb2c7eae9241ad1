"""Digests of images, as arrays on their way and as the column ``digest`` of ``cells/``."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

DIGEST_BYTES = 16


def digest_column(digests: npt.NDArray[np.uint8]) -> pa.Array:
    """The digests uint8 (N, 16), of which zeros stand for none, as fixed-size binary; then null."""
    rows = np.ascontiguousarray(digests).view(f"S{DIGEST_BYTES}").ravel()
    return pa.array(rows, pa.binary(DIGEST_BYTES), mask=~digests.any(axis=1))


def digest_array(column: pa.ChunkedArray) -> npt.NDArray[np.uint8]:
    """The uint8 (N, 16) that ``digest_column`` made ``column`` of."""
    whole = pc.fill_null(column.combine_chunks(), bytes(DIGEST_BYTES))
    if isinstance(whole, pa.ChunkedArray):  # of no chunk
        return np.empty((0, DIGEST_BYTES), np.uint8)
    content = np.frombuffer(whole.buffers()[1], np.uint8).reshape(-1, DIGEST_BYTES)
    return content[whole.offset :][: len(whole)]
