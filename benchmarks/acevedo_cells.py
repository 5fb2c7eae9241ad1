"""Lists what the small networks of Acevedo et al. learn from, without an image of their test.

    python benchmarks/acevedo_cells.py TEST FOLDER... > labels.csv

TEST and each FOLDER have a CSV of the same name beside or inside them, with ``path`` and ``class``.
Paths are written as given. An image that equals one of TEST by its bytes, or nearly by a thumbnail
of 24 px, is left out; what that came to is said on standard error. Groups are by the bytes, so that
copies stay together.
"""

import argparse
import csv
import hashlib
import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = {
    "band_neutrophils": "neutrophil", "segmented_neutrophils": "neutrophil",
    "eosinophils": "eosinophil", "immature_granulocyte": "ig", "promyelocyte": "ig",
    "myelocyte": "ig", "metamyelocyte": "ig",
}  # fmt: skip
SIDE_PX, NEAR_LEVELS, GROUPS = 24, 3.0, 20


def listed(folder: Path) -> list[tuple[Path, str]]:
    inside = folder / f"{folder.name}.csv"
    with (inside if inside.exists() else folder.with_suffix(".csv")).open(newline="") as file:
        return [(folder / row["path"], row["class"]) for row in csv.DictReader(file)]


def digest_of(content: bytes) -> str:
    """As git names a file of these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def thumbnail(content: bytes) -> np.ndarray:
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    return np.asarray(picture.resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX), np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("test", type=Path, metavar="TEST")
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    given = parser.parse_args()
    contents = [path.read_bytes() for path, _ in listed(given.test)]
    digests = {digest_of(one) for one in contents}
    thumbnails = np.stack([thumbnail(one) for one in contents])
    writer, equal, nearest = csv.writer(sys.stdout), 0, []
    writer.writerow(["path", "patient", "class"])
    for path, name in (one for folder in given.folders for one in listed(folder)):
        content = path.read_bytes()
        digest = digest_of(content)
        distance = float(np.abs(thumbnails - thumbnail(content)).mean((1, 2, 3)).min())
        nearest.append(distance)
        if digest in digests or distance < NEAR_LEVELS:
            equal += 1
            continue
        group = int(digest[:4], 16) % GROUPS
        writer.writerow([path, f"group-{group:02}", CLASSES.get(name, name)])
    told = f"{len(nearest) - equal} images, {equal} left out; nearest {min(nearest):.1f} levels off"
    print(told, file=sys.stderr)


if __name__ == "__main__":
    main()
