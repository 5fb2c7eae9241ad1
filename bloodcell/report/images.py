"""The images of a patient's page: one script that holds the very bytes that were scored.

A page that is opened from a disk may load scripts and pictures, but no data. So the images of one
patient are a script, and the page loads it once it is shown itself.
"""

import hashlib
import heapq
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
from bloodcell.engine.object_store import Place
from bloodcell.engine.rewriting import encoded_images, rewritten
from bloodcell.engine.source import batches_of, read_files
from bloodcell.files import write_whole

try:
    from pybase64 import b64encode
except ImportError:  # a tree that was copied to a machine which lacks it: the same, more slowly
    from base64 import b64encode  # type: ignore[assignment]

LARGEST_SIDE_PX, LARGEST_BYTES = 512, 256 << 10
"""What is larger is shrunk, so that a page stays light whatever it is made of."""
_FORMAT = "images 2"
_AS_THEY_ARE = ("jpeg", "png")
"""What every browser shows."""
_AT_ONCE = 32
_QUALITY = 90


@dataclass(frozen=True)
class ImagePack:
    """The file of one patient's images: a line each, in the order of their rows.

    Its first line says what the images are of, its last what they are, if none is missing.
    """

    path: Path
    source: str
    """What the images are of: none of another file is kept."""

    def write(self, root: Place, cells: pa.Table) -> None:
        """Write the images of ``cells`` (as ``images_of`` takes them), rows ascending.

        What the file has already is kept, for it is what was scored and may be gone by now. Images
        that are left out are tried again the next time. Raises DiskError if the disk refuses, and
        what ``read_files`` raises.
        """
        key = self._key(cells["row"].to_pylist())
        if not self._ends_with(key):
            write_whole(
                self.path, lambda path: self._write(path, root, cells, key), syncs_folder=False
            )

    def _key(self, rows: list[int]) -> str:
        text = json.dumps([_FORMAT, self.source, rows])
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def _head(self) -> bytes:
        return f"// {_FORMAT} of {self.source}\n".encode()

    def _ends_with(self, key: str) -> bool:
        try:
            with self.path.open("rb") as file:
                file.seek(-len(key) - 1, io.SEEK_END)
                return file.read() == f"{key}\n".encode()
        except OSError:  # not there, or shorter
            return False

    def _write(self, path: Path, root: Place, cells: pa.Table, key: str) -> None:
        rows, written = cells["row"].to_numpy(), 0
        kept = [row for row, _ in self._there(rows)]
        missing = cells.filter(~np.isin(rows, kept))
        new = ((row, _as_line(row, *image)) for row, *image in images_of(root, missing))
        with path.open("wb") as file:
            file.write(self._head + b"bloodcell.images({")
            for _, line in heapq.merge(self._there(rows), new):
                file.write(b",\n" if written else b"\n")
                file.write(line)
                written += 1
            file.write(b"\n});\n")
            if written == len(rows):
                file.write(b"// %s\n" % key.encode())

    def _there(self, rows: npt.NDArray[np.int64]) -> Iterator[tuple[int, bytes]]:
        """Row and line of each image of ``rows`` that the file has, if it is of this source."""
        wanted = set(rows.tolist())
        with suppress(FileNotFoundError), self.path.open("rb") as file:
            for line in file if file.readline() == self._head else ():
                row = line[1 : line.find(b'"', 1)]
                if row.isdigit() and int(row) in wanted:
                    yield int(row), line.rstrip(b",\n")


def _as_line(row: int, kind: bytes, data: bytes) -> bytes:
    return b'"%d":"data:image/%s;base64,%s"' % (row, kind, b64encode(data))


def images_of(root: Place, cells: pa.Table) -> Iterator[tuple[int, bytes, bytes]]:
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
    header = inspect(encoded, follows_codes=False)
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
