"""What reviews teach: a site's error model of the cells that were drawn, looked at and signed."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from helpers.reviews import answers_of, planned

import bloodcell
from bloodcell.cli import main
from bloodcell.error_model.histograms import LabelledHistograms
from bloodcell.model import load_model
from bloodcell.phantom import write_phantoms
from bloodcell.review.apply import apply_answers
from bloodcell.review.labels import signed_labels
from bloodcell.review.leukocytes import leukocytes_by_patient

BLAST, MONOCYTE = "blast_no_lineage_spec", "monocyte"


def calibrate(*words: object) -> Result:
    return CliRunner().invoke(main, ["calibrate", *map(str, words)])


def labels_as_foretold(run: bloodcell.Run) -> list[str]:
    """Of each row: a blast as often as the network says."""
    rng = np.random.default_rng(0)
    chances = run.cells(["blast_probability"])["blast_probability"].to_pylist()
    return [BLAST if rng.random() < (chance or 0) else MONOCYTE for chance in chances]


@pytest.fixture(scope="module")
def nights(drawn_model: Path, tmp_path_factory: pytest.TempPathFactory) -> list[bloodcell.Run]:
    """Two runs of five drawn patients each, all looked at and signed."""
    folder, runs = tmp_path_factory.mktemp("nights"), []
    for night in range(2):
        smears = folder / f"smears-{night}"
        write_phantoms(smears, patients=5, cells=60, seed=night)
        for patient in list(smears.glob("phantom-*")):
            patient.rename(smears / f"night-{night}-{patient.name}")
        # So narrow that every patient has cells planned.
        scored = bloodcell.score(smears, folder / f"run-{night}", drawn_model, interval_width=0.1)
        run = planned(scored, 52)
        answers = answers_of(run, labels_as_foretold(run).__getitem__)
        apply_answers(run, answers, "A", "answers.json")
        runs.append(bloodcell.open_run(run.folder))
    return runs


def test_signed_reviews_of_several_nights_make_a_model(
    nights: list[bloodcell.Run], drawn_model: Path, tmp_path: Path
) -> None:
    folders = [run.folder for run in nights]
    done = calibrate("--from-reviews", *folders, "--out", tmp_path / "model")
    assert done.exit_code == 0, done.stderr
    model = load_model(tmp_path / "model")
    assert model.error_model is not None
    assert model.error_model.patients == 10
    assert model.error_model.held_out.startswith("reviewed after scoring")
    assert model.weights_sha256 == load_model(drawn_model).weights_sha256


def test_a_run_that_is_named_twice_is_refused(nights: list[bloodcell.Run], tmp_path: Path) -> None:
    done = calibrate("--from-reviews", *[nights[0].folder] * 2, "--out", tmp_path / "model")
    assert done.exit_code == 1
    assert "named twice" in done.stderr
    assert not (tmp_path / "model").exists()


def test_each_cell_stands_for_those_of_its_stratum(nights: list[bloodcell.Run]) -> None:
    all_cells = {name: len(cells.row) for name, cells in leukocytes_by_patient(nights[0])}
    labels = list(signed_labels(nights[0]))
    assert len(labels) == 5
    assert any(len(one.weight) < all_cells[one.patient] for one in labels)
    for one in labels:
        assert one.weight.min() >= 1
        assert one.weight.sum() == pytest.approx(all_cells[one.patient], rel=0.2)


def test_weighted_cells_count_as_they_are_worth_and_stand_for_all() -> None:
    probability = np.array([0.9, 0.9, 0.1, 0.1])
    is_blast = np.array([True, True, False, False])
    patients = np.repeat("p", 4)
    weight = np.array([1.0, 1.0, 10.0, 10.0])
    labelled = LabelledHistograms.of(probability, is_blast, np.ones(4, bool), patients, weight)
    assert labelled.share[0] == pytest.approx(2 / 22)
    assert labelled.labelled[0] == pytest.approx(22**2 / 202)
    assert labelled.counts.sum() == 22
    alike = LabelledHistograms.of(probability, is_blast, np.ones(4, bool), patients)
    assert (alike.labelled[0], alike.counts.sum(), alike.share[0]) == (4, 4, 0.5)


def test_too_few_say_how_many_patients_are_still_needed(
    nights: list[bloodcell.Run], tmp_path: Path
) -> None:
    few = calibrate("--from-reviews", nights[0].folder, "--out", tmp_path / "model")
    assert few.exit_code == 1
    assert "5 patients with leukocytes" in few.stderr
    assert "more such patients" in few.stderr
    assert not (tmp_path / "model").exists()


def test_a_run_without_signed_patients_is_refused(run: bloodcell.Run, tmp_path: Path) -> None:
    refused = calibrate("--from-reviews", run.folder, "--out", tmp_path / "model")
    assert refused.exit_code == 1
    assert "is signed" in refused.stderr


def test_either_labels_or_reviews_are_given(run: bloodcell.Run, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "model")
    assert calibrate(run.folder, *out).exit_code == 2
    assert calibrate(run.folder, "--from-reviews", "--labels", "x.csv", *out).exit_code == 2
    assert calibrate(run.folder, run.folder, "--labels", "x.csv", *out).exit_code == 2
