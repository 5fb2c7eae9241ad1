"""`calibrate` where the site's smears are none that the model knows: drawn ones, to be exact."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import bloodcell
from bloodcell import site_model
from bloodcell.cli import main
from bloodcell.model import load_model
from bloodcell.phantom import write_phantoms
from bloodcell.unstained import LACKS_STAIN

PATIENTS, CELLS = 10, 60


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of ten drawn patients, their smears, and labels as the network foretells."""
    folder = tmp_path_factory.mktemp("site")
    write_phantoms(folder / "smears", patients=PATIENTS, cells=CELLS, image_format="jpeg", seed=7)
    run = bloodcell.score(folder / "smears", folder / "run", "jhu18-resnext26-160")
    cells = run.cells(["path", "patient", "blast_probability"]).to_pylist()
    write_labels(folder / "labels.csv", cells)
    write_labels(folder / "nine.csv", [one for one in cells if one["patient"] != "phantom-009"])
    return folder


def write_labels(path: Path, cells: list[dict[str, object]]) -> None:
    rng = np.random.default_rng(0)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "class"])
        for cell in cells:
            is_blast = rng.random() < cell["blast_probability"]
            writer.writerow([cell["path"], "blast_no_lineage_spec" if is_blast else "lymphocyte"])


def calibrate(site: Path, out: Path, labels: str = "labels.csv", *more: str) -> Result:
    words = ["calibrate", site / "run", "--labels", site / labels, "--out", out, *more]
    done = CliRunner().invoke(main, [*map(str, words)])
    assert done.exit_code == 0, done.output
    return done


def test_the_sites_model_knows_the_sites_smears(site: Path, tmp_path: Path) -> None:
    before = bloodcell.open_run(site / "run").patients["adjustment"].to_pylist().count(LACKS_STAIN)
    assert before > PATIENTS / 2
    done = calibrate(site, tmp_path / "site")
    assert f"strange before  {before}" in done.output
    assert "no adjusted share" not in done.output
    table = load_model(tmp_path / "site").card["smears"]
    assert (table["patients"], table["made_by"]) == (PATIENTS, "bloodcell calibrate")
    # Some drawn cells have not the light of any smear.
    assert 0.9 * CELLS * PATIENTS < table["cells"] <= CELLS * PATIENTS
    write_phantoms(tmp_path / "smears", patients=2, cells=20, image_format="jpeg", seed=8)
    run = bloodcell.score(tmp_path / "smears", tmp_path / "run", tmp_path / "site")
    assert LACKS_STAIN not in run.patients["adjustment"].to_pylist()


def test_too_few_patients_are_told_and_leave_the_table(site: Path, tmp_path: Path) -> None:
    done = calibrate(site, tmp_path / "site", "nine.csv")
    assert "of the 9 patients (phantom-00" in done.stderr
    assert "10 patients are needed" in done.stderr
    own = load_model("jhu18-resnext26-160").card["smears"]
    assert load_model(tmp_path / "site").card["smears"] == own


def test_images_that_changed_are_told_and_leave_the_table(site: Path, tmp_path: Path) -> None:
    cell = next((site / "smears" / "phantom-003").iterdir())
    shutil.copy(cell, tmp_path / "kept")
    cell.write_bytes(b"another image")
    try:
        done = calibrate(site, tmp_path / "site")
    finally:
        shutil.copy(tmp_path / "kept", cell)
    assert f"phantom-003/{cell.name} below" in done.stderr
    assert "no longer there as it was scored" in done.stderr
    own = load_model("jhu18-resnext26-160").card["smears"]
    assert load_model(tmp_path / "site").card["smears"] == own


def test_what_does_not_fit_run_or_model_is_counted_and_warned_of(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site / "more.csv").write_text((site / "labels.csv").read_text() + "absent.jpg,monocyte\n")
    patients = bloodcell.open_run(site / "run").patients["patient"].to_pylist()
    model = site_model.model_of(bloodcell.open_run(site / "run"))
    learnt = replace(model, card=model.card | {"training": {"patients": ["other", patients[0]]}})
    monkeypatch.setattr(site_model, "model_of", lambda _run: learnt)
    done = calibrate(site, tmp_path / "site", "more.csv", "--ignore-class", "monocyt")
    assert f"{PATIENTS * CELLS} labelled cells, 0 of them rejected, 0 cells without" in done.output
    assert "1 labels are of cells that are not in the run" in done.output
    assert f"1 of the patients ({patients[0]}) are called as patients that the" in done.output
    assert "more.csv is called monocyt, as --ignore-class or" in done.output
