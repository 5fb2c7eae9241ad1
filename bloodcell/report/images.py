"""The images of a patient's page: one script that holds the very bytes that were scored.

A page that is opened from a disk may load scripts and pictures, but no data. So the images of one
patient are a script, and the page loads it once it is shown itself.
"""

import base64
import hashlib
import io
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from bloodcell._core import inspect
from bloodcell.digests import digest_array
from bloodcell.engine.rewriting import encoded_images, rewritten
from bloodcell.engine.source import batches_of, read_files
from bloodcell.files import write_whole

LARGEST_SIDE_PX, LARGEST_BYTES = 512, 256 << 10
"""What is larger is shrunk, so that a page stays light whatever it is made of."""
_FORMAT = "images 1"
_AS_THEY_ARE = ("jpeg", "png")
"""What every browser shows."""
_AT_ONCE = 32
_QUALITY = 90


@dataclass(frozen=True)
class ImagePack:
    """The file of one patient's images."""

    path: Path
    source: str
    """What the images are of: part of what the file is known by."""

    def write(self, root: Path, cells: pa.Table) -> None:
        """Write the images of ``cells`` (as ``images_of`` takes them) unless they are there.

        Images that are left out are tried again the next time. Raises
        DiskError if the disk refuses, and what ``read_files`` raises.
        """
        key = self._key(cells["row"].to_pylist())
        if not self._ends_with(key):
            write_whole(self.path, lambda path: _write(path, root, cells, key))

    def _key(self, rows: list[int]) -> str:
        text = json.dumps([_FORMAT, self.source, rows])
        return hashlib.sha256(text.encode()).hexdigest()

    def _ends_with(self, key: str) -> bool:
        try:
            with self.path.open("rb") as file:
                file.seek(-len(key) - 1, io.SEEK_END)
                return file.read() == f"{key}\n".encode()
        except OSError:  # not there, or shorter
            return False


def _write(path: Path, root: Path, cells: pa.Table, key: str) -> None:
    written = 0
    with path.open("wb") as file:
        file.write(b"bloodcell.images({")
        for row, kind, data in images_of(root, cells):
            file.write(b'%s\n"%d":"data:image/%s;base64,' % (b"," if written else b"", row, kind))
            file.write(base64.b64encode(data))
            file.write(b'"')
            written += 1
        file.write(b"\n});\n")
        if written == cells.num_rows:
            file.write(b"// %s\n" % key.encode())


def images_of(root: Path, cells: pa.Table) -> Iterator[tuple[int, bytes, bytes]]:
    """Row, kind and bytes of each cell that can be read and is what was scored.

    ``cells``: as ``read_files`` takes them, with their ``digest``.
    """
    tables = list(batches_of(cells, _AT_ONCE))
    for table, batch in zip(tables, read_files(root, tables), strict=True):
        was_scored = (batch.digests == digest_array(table["digest"])).all(axis=1)
        for place, encoded in zip(*encoded_images(batch), strict=True):
            image = _for_a_browser(encoded) if was_scored[place] else None
            if image is not None:
                yield int(batch.rows[place]), *image


def _for_a_browser(encoded: npt.NDArray[np.uint8]) -> tuple[bytes, bytes] | None:
    """Kind and bytes of an image that browsers show; None if nothing can read it."""
    header = inspect(encoded)
    is_small = max(header.width, header.height) <= LARGEST_SIDE_PX and len(encoded) <= LARGEST_BYTES
    if header.format in _AS_THEY_ARE and is_small and not header.needs_rewriting:
        return header.format.encode(), encoded.tobytes()
    picture = _picture(encoded, is_deep=header.is_deep and not header.needs_rewriting)
    if picture is None:
        return None
    jpeg = io.BytesIO()
    picture.thumbnail((LARGEST_SIDE_PX, LARGEST_SIDE_PX))
    picture.save(jpeg, "JPEG", quality=_QUALITY, subsampling=0)
    return b"jpeg", jpeg.getvalue()


def _picture(encoded: npt.NDArray[np.uint8], *, is_deep: bool) -> Image.Image | None:
    """As it was scored, in 8-bit RGB; None if nothing can read it."""
    if is_deep:  # Pillow would clip grey of 16 bits where DALI scales it
        with suppress(Exception), Image.open(io.BytesIO(encoded.tobytes())) as image:
            if image.mode.startswith("I"):
                grey = (np.asarray(image) >> 8).astype(np.uint8)
                return Image.fromarray(grey).convert("RGB")
    bmp = rewritten(encoded)
    return None if bmp is None else Image.open(io.BytesIO(bmp.tobytes()), formats=["BMP"])
