"""One set of cells, scored at once and in three runs: as folders, as shards, as manifests."""

import csv
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers.drawn_runs import ROWS_PER_PART
from helpers.tiny_model import write_tiny_model

import bloodcell
from bloodcell import scoring

PATIENTS = {"B-1": 24, "a-2": 10, "ä-3": 23}
"""How many images each has; sorted as a folder is listed."""
CELLS = 60
"""With three that are none."""


@dataclass(frozen=True)
class Scored:
    """The same cells, at once and in parts."""

    source: Path
    """What was scored at once."""
    model: Path
    whole: Path
    """The run of it."""
    runs: list[Path]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny") / "model", "pbc8")


@pytest.fixture(scope="session")
def cells(smears: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Patients' folders: images, deeper images, what is no image, and what is no cell."""
    folder = tmp_path_factory.mktemp("cells") / "night"
    for (patient, count), drawn in zip(PATIENTS.items(), sorted(smears.glob("p*-*")), strict=True):
        (folder / patient).mkdir(parents=True)
        for image in sorted(drawn.iterdir())[:count]:
            (folder / patient / image.name).write_bytes(image.read_bytes())
        (folder / patient / ".DS_Store").write_bytes(b"left behind")
        (folder / patient / "broken.jpg").write_bytes(b"\xff\xd8\xff" + patient.encode())
    return folder


@pytest.fixture(scope="session")
def folders(cells: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """A run of each patient's folder."""
    return scored(cells, [cells / patient for patient in PATIENTS], model, tmp_path_factory)


@pytest.fixture(scope="session")
def shards(cells: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """A run of each of three shards; two patients are in two of them."""
    folder = tmp_path_factory.mktemp("shards") / "shards"
    folder.mkdir()
    files = sorted(path for path in cells.rglob("*") if path.is_file())
    for number, some in enumerate((files[:30], files[30:45], files[45:])):
        with tarfile.open(folder / f"shard-{number:03d}.tar", "w") as archive:
            for path in some:
                archive.add(path, path.relative_to(cells))
    return scored(folder, sorted(folder.iterdir()), model, tmp_path_factory)


@pytest.fixture(scope="session")
def manifests(cells: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """A run of each of three manifests side by side; patients in them come and go."""
    folder = cells.parent
    paths = sorted(path for path in cells.rglob("*.*") if path.suffix in (".jpg", ".png", ".tif"))
    rows = [
        (path.relative_to(folder), path.parent.name, f"slide {path.name[-5]}") for path in paths
    ]
    names = {"all.csv": rows, "part-a.csv": rows[::3], "part-b.csv": rows[1::3]}
    names["part-c.csv"] = rows[2::3]
    names["all.csv"] = names["part-a.csv"] + names["part-b.csv"] + names["part-c.csv"]
    for name, some in names.items():
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("path", "patient", "slide"), *some])
    parts = [folder / name for name in sorted(names) if name != "all.csv"]
    return scored(folder / "all.csv", parts, model, tmp_path_factory)


def scored(
    source: Path, parts: list[Path], model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Scored:
    runs = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "ROWS_PER_PART", ROWS_PER_PART)
        folders = [
            bloodcell.score(part, runs / f"run-{number}", model, "onnxruntime", threads=1).folder
            for number, part in enumerate([source, *parts])
        ]
    return Scored(source, model, folders[0], folders[1:])
