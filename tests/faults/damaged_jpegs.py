"""Real JPEGs damaged within their codes: how many of each kind of damage the gate notices.

    python tests/faults/damaged_jpegs.py DATA

The same of them made progressive. DATA: the folder of real images. Nothing is written.
"""

import argparse
import io
import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

from PIL import Image

from bloodcell import _core

Damage = Callable[[bytes, bytes, random.Random], bytes]

_END = 2
"""Bytes of the marker at the end."""


def codes(image: bytes) -> range:
    """Where the codes of the last scan lie."""
    begin = image.rindex(b"\xff\xda")
    return range(begin + 2 + int.from_bytes(image[begin + 2 : begin + 4], "big"), len(image) - _END)


def hole(size: int) -> Damage:
    """Zeros instead of ``size`` bytes; of fewer where there are not so many codes."""

    def damage(image: bytes, _other: bytes, draw: random.Random) -> bytes:
        within = codes(image)
        first = draw.randrange(within.start, max(within.start + 1, within.stop - size))
        length = min(size, within.stop - first)
        return image[:first] + bytes(length) + image[first + length :]

    return damage


def dropped(image: bytes, _other: bytes, draw: random.Random) -> bytes:
    """Without 512 bytes."""
    within = codes(image)
    first = draw.randrange(within.start, max(within.start + 1, within.stop - 512))
    return image[:first] + image[min(first + 512, within.stop) :]


def spliced(image: bytes, other: bytes, _draw: random.Random) -> bytes:
    """From the middle on another file's bytes."""
    middle = len(image) // 2
    return image[:middle] + other[middle:]


def flipped(image: bytes, _other: bytes, draw: random.Random) -> bytes:
    """One bit of the codes is another."""
    damaged = bytearray(image)
    damaged[draw.choice(codes(image))] ^= 1 << draw.randrange(8)
    return bytes(damaged)


DAMAGES: dict[str, Damage] = {
    "4,096 bytes of zeros": hole(4096),
    "512 bytes of zeros": hole(512),
    "512 bytes dropped": dropped,
    "the second half another file's": spliced,
    "one bit flipped": flipped,
}


def damaged(name: str, images: list[bytes], seed: int) -> Iterator[bytes]:
    """Each image but the last, damaged; what is the same or has no end of its own is left out."""
    draw = random.Random(seed)
    for image, other in pairwise(images):
        result = DAMAGES[name](image, other, draw)
        if result != image and result.endswith(b"\xff\xd9"):
            yield result


def made_progressive(image: bytes) -> bytes:
    """The same picture in progressive scans, by its own quantization tables."""
    out = io.BytesIO()
    with Image.open(io.BytesIO(image)) as opened:
        opened.save(out, "JPEG", quality="keep", progressive=True)
    return out.getvalue()


def count(images: list[bytes], kind: str) -> None:
    assert not any(_core.inspect(image).reason for image in images)
    print(f"{len(images)} {kind} JPEGs, none of them rejected")
    for name in DAMAGES:
        reasons = [_core.inspect(image).reason for image in damaged(name, images, seed=1)]
        print(f"{name}: {sum(map(bool, reasons))} of {len(reasons)} rejected", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, metavar="DATA")
    data = parser.parse_args().data
    images = [path.read_bytes() for path in sorted(data.glob("aml-apl/test/*/*.jpg"))]
    count(images, "real")
    count([made_progressive(image) for image in images], "progressive")


if __name__ == "__main__":
    main()
