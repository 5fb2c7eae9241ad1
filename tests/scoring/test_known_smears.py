"""Cells that look otherwise than those that the network learnt from: the table, and a run."""

from pathlib import Path

import numpy as np
import pytest
import tomli_w
from helpers.drawn_runs import copy_of_model, model_for_drawn_cells
from helpers.tiny_model import write_tiny_model

import bloodcell
from bloodcell.engine.staining import LOOKS
from bloodcell.errors import ModelError
from bloodcell.model import load_model
from bloodcell.paths import DEFAULT_MODEL
from bloodcell.smears import fit_smears, held_out_medians
from bloodcell.toml import read_toml
from bloodcell.unstained import LACKS_STAIN


def looks_of_patients(count: int, *, odd: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """50 cells of each patient, (N, LOOKS), of whom the last lies ``odd`` deviations away."""
    rng = np.random.default_rng(1)
    looks = rng.normal(size=(50 * count, LOOKS)) @ rng.normal(size=(LOOKS, LOOKS)) + 100
    looks[-50:] += odd * looks.std(axis=0)
    return looks, np.repeat([f"p{number:02d}" for number in range(count)], 50)


def test_drawn_patients_are_flagged_unless_the_card_says_nothing(
    run: bloodcell.Run, smears: Path, tmp_path: Path
) -> None:
    model = model_for_drawn_cells(tmp_path, DEFAULT_MODEL)
    unflagged = bloodcell.score(smears, tmp_path / "run", model)
    for patient in run.patients.to_pylist():
        assert patient["adjustment"] == LACKS_STAIN
        assert patient["blast_percent"] is patient["band_20_up"] is None
        assert 2 * patient["unstained"] > patient["scored"]
    for patient in unflagged.patients.to_pylist():
        assert patient["adjustment"] != LACKS_STAIN
    for column in ("class", "blast_probability", "probabilities"):
        assert run.cells([column]).to_pydict() == unflagged.cells([column]).to_pydict()


def test_a_patients_cells_are_held_against_the_others() -> None:
    looks, patients = looks_of_patients(10, odd=3.0)
    medians = held_out_medians(looks, patients)
    others = looks[patients != "p09"]
    covariance = np.cov(others.T) + np.diag(others.var(axis=0, ddof=1)) * 0.01
    above = looks[patients == "p09"] - others.mean(axis=0)
    squares = np.einsum("ni,ij,nj->n", above, np.linalg.inv(covariance), above)
    assert medians["p09"] == pytest.approx(np.median(np.sqrt(squares / LOOKS)))
    assert max(medians, key=lambda name: medians[name]) == "p09"
    table = fit_smears(looks, patients, made_by="a test")
    assert table
    assert table["limit"] == pytest.approx(1.1 * medians["p09"], abs=1e-3)
    assert (table["patients"], table["cells"]) == (10, 500)


def test_nine_patients_are_too_few() -> None:
    assert fit_smears(*looks_of_patients(9), made_by="a test") is None


def test_cells_of_nobody_are_left_out() -> None:
    looks, patients = looks_of_patients(11)
    of_nobody = patients == "p10"
    table = fit_smears(looks, np.where(of_nobody, "", patients), made_by="a test")
    assert table == fit_smears(looks[~of_nobody], patients[~of_nobody], made_by="a test")
    assert table
    assert (table["patients"], table["cells"]) == (10, 500)


def test_a_card_without_the_table_is_as_before(tmp_path: Path) -> None:
    assert load_model(write_tiny_model(tmp_path / "m", "jhu18")).smears is None


@pytest.mark.parametrize(
    ("entry", "value", "what"),
    [
        ("means", [1.0] * 14, "smears.means: 15 numbers"),
        ("whitening", ["a"] * 120, "smears.whitening: 120 numbers"),
        ("limit", 0, "smears.limit is 0, a number above 0"),
        ("patients", True, "smears.patients is True"),
        ("made_by", 7, "smears.made_by is 7, a text"),
        ("margin", 1.1, r"\[smears\] has other entries than expected: \['margin'\]"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, entry: str, value: object, what: str) -> None:
    card_path = copy_of_model(tmp_path) / "card.toml"
    card = read_toml(card_path, ModelError)
    card["smears"][entry] = value
    card_path.write_text(tomli_w.dumps(card), "utf-8")
    with pytest.raises(ModelError, match=what):
        load_model(card_path.parent)
