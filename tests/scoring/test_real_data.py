"""The main job on real smears. Needs the real images; none of them is part of the project."""

import csv
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile
from helpers.drawn_runs import digests
from PIL import Image

import bloodcell
from bloodcell.evaluation import evaluate

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def smears_run(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> bloodcell.Run:
    return bloodcell.score(real_data / "aml-apl" / "test", tmp_path_factory.mktemp("run") / "run")


def flat_manifest(folder: Path, target: Path) -> int:
    """A manifest of a folder without patients: one patient a class of its labels."""
    labels = next(
        path for path in (folder / "labels.csv", folder.with_suffix(".csv")) if path.is_file()
    )
    with labels.open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {
        "path": [str(folder / row["path"]) for row in rows],
        "patient": [row["class"] for row in rows],
    }
    pq.write_table(pa.table(columns), target)
    return len(rows)


def test_twelve_patients_and_no_cell_lost(smears_run: bloodcell.Run) -> None:
    about = smears_run.about
    assert about["cells"] == 1659 == about["scored"] + sum(about["rejected"].values())
    assert smears_run.patients.num_rows == 12
    assert sum(smears_run.patients["cells"].to_pylist()) == 1659


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 23, "threads": 1},
        {"batch_size": 500, "threads": 3},
        {"batch_size": 50, "workers": 3},
    ],
    ids=["small batches", "large batches", "workers"],
)
def test_neither_batches_nor_threads_nor_workers_change_a_byte(
    real_data: Path, smears_run: bloodcell.Run, tmp_path: Path, options: dict[str, Any]
) -> None:
    bloodcell.score(real_data / "aml-apl" / "test", tmp_path / "run", **options)
    assert digests(tmp_path / "run") == digests(smears_run.folder)


def test_the_default_network_ranks_blasts_of_unseen_patients(
    real_data: Path, smears_run: bloodcell.Run
) -> None:
    blast = evaluate(smears_run, real_data / "aml-apl" / "test.csv")["blast"]
    assert blast["blasts"] == 295
    assert blast["auroc"] >= 0.93


@pytest.mark.parametrize("part", ["lmu15", "pbc8/test"])
def test_other_sources_are_scored_whole_and_repeatably(
    real_data: Path, tmp_path: Path, part: str
) -> None:
    cells = flat_manifest(real_data / part, tmp_path / "m.parquet")
    one = bloodcell.score(tmp_path / "m.parquet", tmp_path / "one")
    bloodcell.score(tmp_path / "m.parquet", tmp_path / "two", batch_size=9, threads=1)
    assert one.about["scored"] == one.about["cells"] == cells
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


def test_forty_broken_among_two_hundred(real_data: Path, tmp_path: Path) -> None:
    """Cut anywhere, emptied, text, bombs, channels as pages: exactly these go, no other changes."""
    images = sorted((real_data / "aml-apl" / "test").glob("*/*.jpg"))[::8][:200]
    for folder in ("clean", "dirty"):
        (tmp_path / folder / "p").mkdir(parents=True)
        for number, image in enumerate(images):
            (tmp_path / folder / "p" / f"{number:03d}").write_bytes(image.read_bytes())
    places = np.random.default_rng(0).choice(200, 40, replace=False).tolist()
    for place, content in zip(places, _broken(images), strict=True):
        (tmp_path / "dirty" / "p" / f"{place:03d}").write_bytes(content)

    clean = bloodcell.score(tmp_path / "clean", tmp_path / "run-clean").cells()
    dirty = bloodcell.score(tmp_path / "dirty", tmp_path / "run-dirty").cells()
    assert set(clean["status"].to_pylist()) == {"scored"}
    rejected = {row for row, s in enumerate(dirty["status"].to_pylist()) if s == "rejected"}
    assert rejected == set(places)
    kept = [row for row in range(200) if row not in rejected]
    columns = ["row", "class", "blast_probability", "probabilities"]
    assert dirty.select(columns).take(kept).equals(clean.select(columns).take(kept))


def _broken(images: list[Path]) -> Iterator[bytes]:
    generator = np.random.default_rng(1)
    for image in images[:24]:
        whole = image.read_bytes()
        yield whole[: int(generator.integers(1, len(whole)))]
    yield from [b""] * 4
    yield from [b"patient,cell,class\n" * 100] * 4
    for image in images[24:28]:
        yield _claiming_70000_pixels(image.read_bytes())
    for image in images[28:32]:
        yield _channels_as_pages(image)


def _claiming_70000_pixels(jpeg: bytes) -> bytes:
    # JPEG sizes end at 65,535, so the bomb is a BMP header in front of a real image's bytes.
    return b"BM" + struct.pack("<IIIIiiHH", 54, 0, 54, 40, 70_000, 70_000, 1, 24) + bytes(24) + jpeg


def _channels_as_pages(image: Path) -> bytes:
    import io

    pixels = np.asarray(Image.open(image).convert("RGB"))
    file = io.BytesIO()
    channels = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    tifffile.imwrite(file, channels, imagej=True, metadata={"axes": "CYX", "mode": "composite"})
    return file.getvalue()
