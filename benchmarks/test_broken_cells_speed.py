"""One cell in a hundred broken: what a run loses by it, kind by kind of image and of damage.

Reading, decoding and the default network, on this thread alone and in its processor time, which
other programs on the machine hardly change. What is clean and what is broken are scored in turn.
"""

import io
import struct
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sizes import cells

from bloodcell import _core
from bloodcell.bench.inputs import Drawn, repeated_input
from bloodcell.bench.sample import numbered
from bloodcell.engine.backends.choice import choose_backend
from bloodcell.engine.lanes import Lane, open_lanes
from bloodcell.engine.setup import Setup
from bloodcell.engine.source import batches_of, read_files
from bloodcell.model import load_model

CELLS = cells(512)
BROKEN = CELLS // 100
ROUNDS = 3
LEAST_RATIO = 0.9


def cut(image: bytes) -> bytes:
    return image[: len(image) // 2]


def without_tables(image: bytes) -> bytes:
    """A JPEG that says of every quantization table that it is number 3, which no channel uses."""
    damaged = bytearray(image)
    at = damaged.find(b"\xff\xdb")
    while at >= 0:
        damaged[at + 4] = 3
        at = damaged.find(b"\xff\xdb", at + 2)
    return bytes(damaged)


def with_a_hole(image: bytes) -> bytes:
    """A JPEG with 512 bytes of zeros in its middle."""
    middle = len(image) // 2
    return image[:middle] + bytes(512) + image[middle + 512 :]


def with_rotten_pixels(image: bytes) -> bytes:
    """A PNG with a rotten byte in the middle of its compressed pixels, its checksum still right."""
    damaged, at = bytearray(image), image.index(b"IDAT")
    (length,) = struct.unpack(">I", image[at - 4 : at])
    damaged[at + 4 + length // 2] ^= 0xFF
    end = at + 4 + length
    damaged[end : end + 4] = struct.pack(">I", zlib.crc32(damaged[at:end]))
    return bytes(damaged)


def with_changed_pixels(image: bytes) -> bytes:
    """The same as a disk or a network leaves it."""
    damaged = bytearray(image)
    damaged[len(image) // 2] ^= 0xFF
    return bytes(damaged)


def jpeg_without_tables_in_tiff(image: bytes) -> bytes:
    out = io.BytesIO()
    with Image.open(io.BytesIO(image)) as opened:
        opened.convert("RGB").save(out, "TIFF", compression="jpeg")
    return without_tables(out.getvalue())


@dataclass(frozen=True)
class Kind:
    image_format: str
    broken: Callable[[bytes], bytes]
    passes_gate: bool = False


KINDS = {
    "JPEG, cut": Kind("jpeg", cut),
    "JPEG without its tables": Kind("jpeg", without_tables),
    "JPEG with a hole": Kind("jpeg", with_a_hole),
    "PNG, a byte changed": Kind("png", with_changed_pixels),
    "PNG, rotten before it was packed": Kind("png", with_rotten_pixels, passes_gate=True),
    "TIFF, cut": Kind("tiff", cut),
    "JPEG without its tables in TIFF": Kind("tiff", jpeg_without_tables_in_tiff, passes_gate=True),
}


@pytest.fixture(scope="module")
def lane() -> Lane:
    model, choice = load_model(), choose_backend("auto")
    setup = Setup(choice, model.network, model.preprocessing, model.smears, Path(), None, threads=1)
    return open_lanes(setup).lanes[0]


def written(kind: Kind, folder: Path) -> tuple[pa.Table, pa.Table]:
    """The rows of clean images, and of the same where one in a hundred is broken."""
    manifest = repeated_input(None, CELLS, folder, drawn=Drawn(kind.image_format))
    clean = numbered(pq.read_table(manifest))
    paths = clean["path"].to_pylist()
    for place in np.random.default_rng(1).choice(CELLS, BROKEN, replace=False).tolist():
        content = kind.broken((folder / paths[place]).read_bytes())
        assert (_core.inspect(content).reason == "") == kind.passes_gate
        paths[place] = f"broken-{place}"
        (folder / paths[place]).write_bytes(content)
    return clean, clean.set_column(clean.column_names.index("path"), "path", pa.array(paths))


def score(lane: Lane, root: Path, rows: pa.Table) -> tuple[float, int]:
    """Seconds of the processor, and how many cells were rejected."""
    started, rejected = time.process_time(), 0
    for batch in read_files(root, batches_of(rows, 32)):
        rejected += int((lane.begin(batch).finish().reasons != 0).sum())
    return time.process_time() - started, rejected


@pytest.mark.parametrize("name", KINDS)
def test_one_broken_cell_in_a_hundred(name: str, lane: Lane, tmp_path: Path) -> None:
    clean, broken = written(KINDS[name], tmp_path)
    score(lane, tmp_path, broken)
    ratios = []
    for _ in range(ROUNDS):
        (clean_s, none), (broken_s, rejected) = (
            score(lane, tmp_path, rows) for rows in (clean, broken)
        )
        assert (none, rejected) == (0, BROKEN)
        ratios.append(clean_s / broken_s)
    print(
        f"\n{name}: {median(ratios):.3f} of a clean run's throughput "
        f"({min(ratios):.3f} to {max(ratios):.3f})"
    )
    assert median(ratios) >= LEAST_RATIO
