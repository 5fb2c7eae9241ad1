"""The error model: its fit, its place in the card, what it refuses, and runs that use it."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from helpers.drawn_patients import error_model, histogram, histogram_of, labelled
from helpers.drawn_runs import model_for_drawn_cells

import bloodcell
from bloodcell._core import curve_features
from bloodcell.bands import BANDS
from bloodcell.cli import main
from bloodcell.error_model import ErrorModel, SiteTrial, fit, fit_error_model
from bloodcell.error_model.recalibration import fit_recalibration
from bloodcell.error_model.refit import HeldOut
from bloodcell.errors import InputError, ModelError, RunError
from bloodcell.model import load_model
from bloodcell.shares import ADJUSTED, Counting, adjusted_columns, naive_columns
from bloodcell.site_model import write_site_model
from bloodcell.toml import read_toml

BLOOD = Counting("blood", "none", 10.0)


@pytest.fixture(scope="module")
def drawn() -> ErrorModel:
    return error_model()


@pytest.fixture(scope="module")
def calibrated(drawn: ErrorModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default model with the error model of drawn patients."""
    folder = model_for_drawn_cells(tmp_path_factory.mktemp("calibrated"))
    # Lenient: what the network makes of drawn cells has little to do with those patients.
    card = load_model(folder).card | {"error_model": drawn.to_card() | {"misfit_limit": 9.0}}
    (folder / "card.toml").write_text(tomli_w.dumps(card))
    return folder


def test_the_fit_finds_how_patients_were_drawn(drawn: ErrorModel) -> None:
    assert (drawn.patients, drawn.cells) == (12, 1200)
    assert 400 < drawn.blasts < 700
    assert 0.4 < drawn.blast_scale < 1.6
    assert 0.4 < drawn.other_scale < 1.6
    centres = np.arange(-13.75, 14, 0.5)
    assert np.average(centres, weights=drawn.blast_shape) == pytest.approx(3, abs=1)
    assert np.average(centres, weights=drawn.other_shape) == pytest.approx(-4, abs=1)


def test_the_fit_depends_on_neither_order_nor_names(drawn: ErrorModel) -> None:
    order = np.random.default_rng(0).permutation(1200)
    again = fit_error_model(*(column[order] for column in labelled()), held_out="drawn")
    assert again == drawn


def test_cells_that_are_no_leukocytes_are_left_out(drawn: ErrorModel) -> None:
    probability, is_blast, _, patient = labelled()
    twice = (np.tile(column, 2) for column in (probability, is_blast))
    called = np.repeat([True, False], 1200)
    assert fit_error_model(*twice, called, np.tile(patient, 2), held_out="drawn") == drawn


def test_a_card_holds_it_and_gives_it_back(drawn: ErrorModel, tmp_path: Path) -> None:
    (tmp_path / "card.toml").write_text(tomli_w.dumps(drawn.to_card()))
    assert ErrorModel.from_card(read_toml(tmp_path / "card.toml", ModelError)) == drawn


@pytest.mark.parametrize(
    ("entry", "wrong", "message"),
    [
        ("blast_shape", [1.0] * 55, "blast_shape: 56 numbers"),
        ("other_shape", [0.0] * 56, "other_shape: 56 numbers"),
        ("worth_cells", 0, "worth_cells is 0, a number above 0"),
        ("blast_scale", float("nan"), "blast_scale is nan"),
        ("patients", 3.5, "patients is 3.5, a whole number"),
        ("profile", "urine", "profile is 'urine'"),
        ("odd", 1, "other entries than expected"),
    ],
)
def test_a_wrong_card_is_refused(
    drawn: ErrorModel, entry: str, wrong: object, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        ErrorModel.from_card(drawn.to_card() | {entry: wrong})


@pytest.mark.parametrize(
    ("entry", "wrong", "message"),
    [
        ("intercept", [1.0, 2.0], r"intercept: expected shape \(3,\)"),
        ("log_slope", [1.0, 2.0, "3"], "log_slope is .* no finite number"),
        ("correlation", 1.0, "correlation: expected between -1 and 1"),
        ("worth_cells", float("inf"), "worth_cells is inf"),
        ("odd", 1, "has the entries"),
    ],
)
def test_a_wrong_recalibration_is_refused(
    drawn: ErrorModel, entry: str, wrong: object, message: str
) -> None:
    table = drawn.to_card()
    table["recalibration"] |= {entry: wrong}
    with pytest.raises(ModelError, match=message):
        ErrorModel.from_card(table)


def test_a_card_of_before_says_how_to_fit_it_anew(drawn: ErrorModel) -> None:
    table = drawn.to_card()
    del table["recalibration"]
    with pytest.raises(ModelError, match=r"fit it anew: python -m bloodcell.error_model.refit"):
        ErrorModel.from_card(table)


def test_a_folder_without_held_out_cells_says_which_has_them(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"held_out.parquet is not there: only a folder that"):
        HeldOut.read(tmp_path)


@pytest.mark.parametrize("words", [(), ("model", "labels.csv")])
def test_fitting_anew_of_no_folder_or_two_says_how_it_is_called(words: tuple[str, ...]) -> None:
    module = ("-m", "bloodcell.error_model.refit")
    done = subprocess.run([sys.executable, *module, *words], capture_output=True, check=False)
    assert b"usage: python -m bloodcell.error_model.refit FOLDER" in done.stderr


def test_the_fit_finds_how_calibration_curves_differ() -> None:
    rng, patients = np.random.default_rng(3), 60
    cells = rng.multinomial(150, np.full(64, 1 / 64), patients)
    middles = np.arange(-7.875, 8, 0.25)
    intercept, log_slope = rng.normal(-1, 1.5, patients), rng.normal(0.2, 0.3, patients)
    odds = intercept[:, None] + np.exp(log_slope)[:, None] * middles
    blasts = rng.binomial(cells, 1 / (1 + np.exp(-odds)))
    fitted = fit_recalibration(blasts, cells, cells)
    assert fitted.intercept_scale == pytest.approx(1.3, abs=0.4)  # of a t distribution
    assert fitted.log_slope_scale == pytest.approx(0.3, abs=0.1)
    assert fitted.worth_cells == 150
    features = np.array([curve_features(own) for own in cells])
    assert (features @ fitted.intercept).mean() == pytest.approx(-1, abs=0.6)
    assert (features @ fitted.log_slope).mean() == pytest.approx(0.2, abs=0.2)


def test_too_few_patients_or_cells_are_refused() -> None:
    with pytest.raises(InputError, match=r"7 patients with leukocytes.*Needed are 8 patients"):
        fit_error_model(*labelled(patients=7), held_out="drawn")
    with pytest.raises(InputError, match="100 cells of either kind"):
        fit_error_model(*labelled(cells=10), held_out="drawn")
    probability, *others = labelled()
    with pytest.raises(InputError, match="outside 0 to 1"):
        fit_error_model(probability + 0.5, *others, held_out="drawn")


def test_reasons_not_to_adjust(drawn: ErrorModel) -> None:
    rng = np.random.default_rng(0)
    counts = np.stack(
        [
            histogram(rng, 0.3, 500),
            np.zeros(64, np.int64),
            histogram_of(rng.normal(0, 0.3, 500)),  # a third kind of cell between the two
            histogram_of(np.full(500, -8.0)),  # all one value, far beyond the others
        ]
    )
    columns = adjusted_columns(counts, drawn, BLOOD)
    adjustment = columns["adjustment"].to_pylist()
    assert adjustment[:2] == ["adjusted", "no leukocytes"]
    assert all("scanner" in text for text in adjustment[2:])
    shares = columns["blast_percent"].to_pylist()
    assert shares[0] == pytest.approx(30, abs=8)
    assert shares[1:] == [None] * 3
    assert columns["sufficient"].to_pylist()[1:] == [None] * 3


def test_the_gate_sees_a_shift_far_outside_the_spread(drawn: ErrorModel) -> None:
    rng = np.random.default_rng(0)
    usual = np.stack([histogram(rng, 0.2, 500) for _ in range(200)])
    refused = [text != "adjusted" for text in _adjustment(usual, drawn)]
    assert np.mean(refused) <= 0.05
    far = np.stack([histogram_of(rng.normal(-4 + 9, 2, 500)) for _ in range(20)])
    far += np.stack([histogram_of(rng.normal(-4 + 3, 0.5, 500)) for _ in range(20)])
    assert all(text != "adjusted" for text in _adjustment(far, drawn))


def _adjustment(counts: np.ndarray, model: ErrorModel) -> list[str]:
    return list(adjusted_columns(counts, model, BLOOD)["adjustment"].to_pylist())


def test_an_error_model_of_another_profile_is_not_used(drawn: ErrorModel) -> None:
    counts = histogram(np.random.default_rng(0), 0.3, 500)[None]
    columns = adjusted_columns(counts, drawn, Counting("marrow", "none", 10.0))
    assert columns["adjustment"].to_pylist() == [
        "error model is for profile blood, blast equivalents none"
    ]
    assert columns["blast_percent"].null_count == 1


def test_naive_columns() -> None:
    columns = naive_columns(np.array([0, 3]), np.array([0, 10]))
    assert columns["blast_percent_naive"].to_pylist() == [None, 30.0]
    assert columns["blast_percent_naive_low"].to_pylist()[1] == pytest.approx(6.6740, abs=1e-4)
    assert columns["blast_percent_naive_high"].to_pylist()[1] == pytest.approx(65.2453, abs=1e-4)


def test_a_run_reports_adjusted_shares(calibrated: Path, smears: Path, tmp_path: Path) -> None:
    run = bloodcell.score(smears, tmp_path / "run", model=calibrated, interval_width=90.0)
    page = (run.folder / "report" / "index.html").read_text()
    assert "on 12 patients (1,200 cells" in page
    for patient in run.patients.to_pylist():
        if patient["adjustment"] == "adjusted":
            low, high = patient["blast_percent_low"], patient["blast_percent_high"]
            assert 0 <= low <= patient["blast_percent"] <= high <= 100
            bands = [patient[f"band_{name}"] for name in ("under_5", "5_9", "10_19", "20_up")]
            assert sum(bands) == pytest.approx(1)
            assert patient["sufficient"] is (high - low <= 90)
        else:
            assert patient["blast_percent"] is None
            assert patient["adjustment"] in page.replace("&#39;", "'")
    for change in ({"profile": "marrow"}, {"blast_equivalents": "aml"}, {"interval_width": 5.0}):
        options = {"model": calibrated, "interval_width": 90.0} | change
        with pytest.raises(RunError, match=f"another job: its {next(iter(change))} is"):
            bloodcell.score(smears, tmp_path / "run", **options)


def test_profiles_change_denominator_and_blasts(
    calibrated: Path, smears: Path, tmp_path: Path
) -> None:
    blood = bloodcell.score(smears, tmp_path / "blood", calibrated).patients.to_pylist()
    marrow = bloodcell.score(
        smears, tmp_path / "marrow", calibrated, profile="marrow", blast_equivalents="apl"
    ).patients.to_pylist()
    for one, other in zip(blood, marrow, strict=True):
        assert one["adjustment"] == "adjusted"
        assert one["blast_percent_low"] <= one["blast_percent"] <= one["blast_percent_high"]
        assert sum(one[band] for band in BANDS) == pytest.approx(1)
        assert "error model is for profile blood" in other["adjustment"]
        assert other["blast_percent"] is other["sufficient"] is None
        assert other["denominator"] == one["denominator"] + one["n_erythroblast"]
        assert other["blasts_counted"] == one["blasts_counted"] + one["n_promyelocyte"]
        assert one["erythroid_per_100"] == other["erythroid_per_100"]
        expected = 100 * one["n_erythroblast"] / one["denominator"]
        assert one["erythroid_per_100"] == pytest.approx(expected)
    with pytest.raises(InputError, match="profile is one of"):
        bloodcell.score(smears, tmp_path / "x", profile="urine")


def test_a_card_without_an_error_model_gives_naive_shares_and_says_so(
    smears: Path, tmp_path: Path
) -> None:
    folder = model_for_drawn_cells(tmp_path)
    card = read_toml(folder / "card.toml", ModelError)
    del card["error_model"]
    (folder / "card.toml").write_text(tomli_w.dumps(card))
    run = bloodcell.score(smears, tmp_path / "run", model=folder)
    for patient in run.patients.to_pylist():
        assert patient["adjustment"] == "no error model in the model card"
        assert patient["blast_percent_naive"] is not None
        unknown = {patient[name] for name in (*ADJUSTED, *BANDS, "sufficient")}
        assert unknown == {None}
    page = (run.folder / "report" / "index.html").read_text()
    assert "No error model in the model card, so no adjusted share" in page


def test_calibrate_writes_a_model_for_the_site(
    smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    run = bloodcell.score(smears, tmp_path / "run")
    rng = np.random.default_rng(0)
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "class"])
        cells = run.cells(["path", "blast_probability"]).to_pydict()
        for path, chance in zip(cells["path"], cells["blast_probability"], strict=True):
            # Blasts as often as the network says.
            is_blast = rng.random() < (chance or 0)
            writer.writerow([path, "blast_no_lineage_spec" if is_blast else "lymphocyte"])
    words = ["calibrate", tmp_path / "run", "--labels", tmp_path / "labels.csv"]
    words = [*map(str, words), "--out", str(tmp_path / "site")]
    refused = CliRunner().invoke(main, words)
    assert refused.exit_code == 1
    assert "Needed are 8 patients" in refused.output
    assert not (tmp_path / "site").exists()
    monkeypatch.setattr(fit, "LEAST_PATIENTS", 3)
    monkeypatch.setattr(fit, "LEAST_CELLS", 5)
    made = CliRunner().invoke(main, words)
    assert made.exit_code == 0, made.output
    assert "weight of these patients  0.16" in made.output
    assert "model as it was: error" in made.output
    assert "more patients to know" in made.output
    model = load_model(tmp_path / "site")
    assert (model.name, model.version) == ("site", "1+site")
    assert model.error_model is not None
    assert model.error_model.patients == 3
    assert model.weights_sha256 == load_model().weights_sha256
    assert {path.name for path in model.folder.iterdir()} == {"card.toml", "model.onnx"}
    assert "drawn towards the error model of jhu18" in model.error_model.held_out
    assert "exists" in CliRunner().invoke(main, words).output


def test_calibrate_writes_no_model_that_its_own_patients_speak_against(
    smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = bloodcell.score(smears, tmp_path / "run")
    cells = run.cells(["path", "blast_probability"]).to_pydict()
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "class"])
        for row, path in enumerate(cells["path"]):
            writer.writerow([path, "blast_no_lineage_spec" if row % 9 else "lymphocyte"])
    monkeypatch.setattr(fit, "LEAST_PATIENTS", 3)
    monkeypatch.setattr(fit, "LEAST_CELLS", 2)
    monkeypatch.setattr(SiteTrial, "objection", "they speak against it")
    with pytest.raises(InputError, match="is not written: they speak against it"):
        write_site_model(run, tmp_path / "labels.csv", tmp_path / "site")
    assert not (tmp_path / "site").exists()
