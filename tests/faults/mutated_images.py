"""Mutated real images: every one is scored or rejected, and no run is lost.

    python tests/faults/mutated_images.py DATA [IMAGES]

DATA: the folder of real images; IMAGES: how many, 50,000 if not given. What it makes lies in a
temporary folder and is deleted.
"""

import argparse
import io
import logging
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers.tiny_model import write_tiny_model

import bloodcell

_ROUND = 5000
"""Images on disk at a time."""
_SIDE = 128
"""Pixels of what is re-encoded: most of a mutated file is then headers and tables, not pixels."""
_HEADER_BYTES = 600
_ENCODED: dict[str, dict[str, object]] = {
    "png": {"compress_level": 1},
    "bmp": {},
    "tiff": {"compression": "raw"},
    "lzw.tiff": {"compression": "tiff_lzw"},
    "deflate.tiff": {"compression": "tiff_deflate"},
    "jpeg.tiff": {"compression": "jpeg"},
    "progressive.jpg": {"progressive": True},
}


def cut(content: bytearray, draw: random.Random) -> None:
    del content[draw.randrange(len(content)) :]


def flipped(content: bytearray, draw: random.Random) -> None:
    within = draw.choice([len(content), min(len(content), _HEADER_BYTES)])
    for _ in range(draw.choice([1, 4, 64])):
        content[draw.randrange(within)] ^= 1 << draw.randrange(8)


def zeroed(content: bytearray, draw: random.Random) -> None:
    first = draw.randrange(len(content))
    length = min(draw.choice([2, 64, 4096]), len(content) - first)
    content[first : first + length] = bytes(length)


_MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (cut, flipped, zeroed)


def originals(data: Path, draw: random.Random) -> Iterator[tuple[str, bytes]]:
    """Real images without end, as they are and re-encoded: (suffix, file)."""
    files = sorted(chain(data.glob("aml-apl/test/*/*.jpg"), data.glob("lmu15/*.tiff")))
    while True:
        path = draw.choice(files)
        yield path.suffix[1:], path.read_bytes()
        with Image.open(path) as image:
            middle = image.convert("RGB").resize((_SIDE, _SIDE))
        for suffix, options in _ENCODED.items():
            file = io.BytesIO()
            middle.save(file, {"jpg": "JPEG"}.get(suffix[-3:], suffix[-4:]), **options)
            yield suffix, file.getvalue()


def write_mutated(data: Path, folder: Path, count: int, seed: int) -> None:
    """``count`` images into ``folder``, a patient a kind of file and mutation."""
    draw = random.Random(seed)
    for number, (suffix, content) in enumerate(islice(originals(data, draw), count)):
        mutate, mutated = draw.choice(_MUTATIONS), bytearray(content)
        mutate(mutated, draw)
        patient = folder / f"{suffix.replace('.', '-')} {mutate.__name__}"
        patient.mkdir(parents=True, exist_ok=True)
        (patient / f"{seed}-{number}.{suffix}").write_bytes(mutated)


def ends(data: Path, folder: Path, count: int, seed: int) -> Counter[str]:
    """Score ``count`` mutated images: how many came to which end. The run holds every one once."""
    write_mutated(data, folder / "cells", count, seed)
    model = write_tiny_model(folder / "model", "pbc8")
    run = bloodcell.score(folder / "cells", folder / "run", model, "onnxruntime")
    cells = run.cells(["row", "status", "reason"]).to_pylist()
    assert [cell["row"] for cell in cells] == list(range(count))
    assert all((cell["status"] == "scored") == (cell["reason"] is None) for cell in cells)
    return Counter(cell["reason"] or "scored" for cell in cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("images", type=int, nargs="?", default=50_000, metavar="IMAGES")
    given = parser.parse_args()
    count: int = given.images
    logging.basicConfig(format="%(message)s")
    total: Counter[str] = Counter()
    for first in range(0, count, _ROUND):
        with tempfile.TemporaryDirectory() as folder:
            total += ends(given.data, Path(folder), min(_ROUND, count - first), seed=first)
        print(f"{total.total()} mutated images: {dict(total.most_common())}", flush=True)
    assert total.total() == count


if __name__ == "__main__":
    main()
