"""A patient whose images are of no stained smear: flagged, in all that a run says."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from helpers.drawn_runs import digests
from PIL import Image

import bloodcell
from bloodcell.cli import main
from bloodcell.unstained import LACKS_STAIN
from bloodcell.verification import verify

CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "black": np.zeros_like,
    "white": lambda pixels: np.full_like(pixels, 255),
    "inverted": lambda pixels: 255 - pixels,
    "gray": lambda pixels: np.repeat(pixels[..., 1:2], 3, axis=-1),
    "swapped": lambda pixels: pixels[..., ::-1],
}


@pytest.fixture(scope="module")
def source(smears: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn cells as they are, some patients all of whose images were changed, and one half."""
    folder = tmp_path_factory.mktemp("unstained") / "in"
    images = sorted((smears / "phantom-000").iterdir())[:8]
    shutil.copytree(smears / "phantom-000", folder / "as drawn")
    for name, change in CHANGES.items():
        (folder / name).mkdir()
        for image in images:
            pixels = np.asarray(Image.open(image).convert("RGB"))
            Image.fromarray(change(pixels)).save(folder / name / f"{image.stem}.png")
    (folder / "few").mkdir()
    for image in images:
        shutil.copyfile(image, folder / "few" / image.name)
    shutil.copyfile(folder / "black" / f"{images[0].stem}.png", folder / "few" / "black.png")
    return folder


@pytest.fixture(scope="module")
def run(source: Path, drawn_model: Path, tmp_path_factory: pytest.TempPathFactory) -> bloodcell.Run:
    return bloodcell.score(source, tmp_path_factory.mktemp("runs") / "run", drawn_model)


def test_they_are_flagged_and_no_others(run: bloodcell.Run) -> None:
    patients = {patient["patient"]: patient for patient in run.patients.to_pylist()}
    flagged = {name for name, one in patients.items() if one["adjustment"] == LACKS_STAIN}
    assert flagged == set(CHANGES)
    for name in flagged:
        assert 2 * patients[name]["unstained"] > patients[name]["scored"]
        assert patients[name]["blast_percent"] is patients[name]["band_20_up"] is None
    assert patients["few"]["unstained"] >= 1
    cells = run.cells(["patient", "stained"])
    assert cells["stained"].null_count == 0
    assert sum(one["unstained"] for one in patients.values()) == cells["stained"].to_pylist().count(
        False
    )


def test_all_that_a_run_says_says_it(run: bloodcell.Run, source: Path, drawn_model: Path) -> None:
    record = json.loads((run.folder / "run.json").read_text())
    assert record["unstained"]["patients"] == sorted(CHANGES)
    page = (run.folder / "report" / "index.html").read_text()
    words = ["score", source, "--out", run.folder, "--model", drawn_model]
    shown = CliRunner().invoke(main, [str(word) for word in words])
    assert f"not adjusted: {len(CHANGES)} patients, {LACKS_STAIN}" in shown.stdout
    for name in CHANGES:
        line = f"no share of {name} means anything: {LACKS_STAIN}"
        assert line in shown.stderr
        assert line in page
        (row,) = [row for row in shown.stdout.splitlines() if row.startswith(f"{name} ")]
        assert " ? " in row
    assert all(finding.good for finding in verify(run.folder))


def test_neither_batches_nor_workers_change_it(
    run: bloodcell.Run, source: Path, drawn_model: Path, tmp_path: Path
) -> None:
    bloodcell.score(source, tmp_path / "run", drawn_model, batch_size=3, threads=1, workers=2)
    assert digests(tmp_path / "run") == digests(run.folder)
