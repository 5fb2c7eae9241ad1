"""Header gate, batch reader and patient accumulator; see csrc/."""

from typing import Literal, final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

# --- images: csrc/bindings/images.cpp

REASONS: tuple[str, ...]
"""The words for why a cell was rejected, indexed by the numbers below; "" first, not rejected."""

@final
class ImageHeader:
    """What an image's bytes say about it."""

    @property
    def reason(self) -> str:
        """Why the image is rejected, one of ``REASONS``; "" if it may be decoded."""

    @property
    def format(self) -> Literal["unknown", "jpeg", "tiff", "png", "bmp"]:
        """The format by its magic bytes."""

    @property
    def width(self) -> int:
        """Pixels as stored, before any turn by an EXIF orientation; 0 where unknown."""

    @property
    def height(self) -> int:
        """Pixels as stored, before any turn by an EXIF orientation; 0 where unknown."""

def inspect(
    data: Buffer | NDArray[np.uint8], *, min_side_px: int = 16, max_side_px: int = 8192
) -> ImageHeader:
    """Look at one whole encoded image without decoding it, in microseconds.

    Args:
        data: The encoded file, any object with contiguous bytes.
        min_side_px: An image with a shorter side, in pixels, is ``too_small``.
        max_side_px: An image with a longer side, in pixels, is ``too_large``.

    Raises:
        BufferError: ``data`` is not contiguous (NumPy raises ``ValueError`` instead).
        TypeError: ``data`` has no bytes, or a limit is not a 32-bit unsigned integer.
    """

def read_files(
    root: str | bytes, path_offsets: NDArray[np.int64], path_bytes: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint8]]:
    """Read a batch of image files into one buffer and gate each; the GIL is released.

    A bad file is never an exception, only a reason.

    Args:
        root: The folder that relative paths start from.
        path_offsets: int64 (N + 1,); path i is ``path_bytes[path_offsets[i]:path_offsets[i + 1]]``.
        path_bytes: uint8 (B,), the paths in UTF-8 one after the other, as Arrow stores them.

    Returns:
        The encoded images, uint8 (E,); their offsets in it, int64 (N + 1,), a rejected one having
        no bytes; and their reasons, uint8 (N,), indices of ``REASONS``. Nothing is copied: the
        three arrays own the memory that was read into.

    Raises:
        TypeError: A path array has another dtype or rank, or is not contiguous.
        ValueError: The offsets do not ascend from 0 on within ``path_bytes``.
        OSError: The process has run out of file descriptors or the kernel out of memory.
        MemoryError: The batch does not fit into memory.
    """

def gate(buffer: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Gate images that are in memory already; the GIL is released.

    Args:
        buffer: uint8 (B,), the encoded images; must not be written to during the call.
        offsets: int64 (N + 1,); image i is ``buffer[offsets[i]:offsets[i + 1]]``.

    Returns:
        The reasons, uint8 (N,), indices of ``REASONS``.

    Raises:
        TypeError: An array has another dtype or rank, or is not contiguous.
        ValueError: The offsets do not ascend from 0 on within ``buffer``.
    """

# --- accumulator: csrc/bindings/accumulator.cpp
