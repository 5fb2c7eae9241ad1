"""The card's table of how the training images look, made by hand of a folder of labelled cells."""

from pathlib import Path

import pytest
from helpers.drawn_runs import copy_of_model

import bloodcell
from bloodcell.errors import InputError
from bloodcell.model import load_model
from bloodcell.phantom import write_phantoms
from bloodcell.toml import read_toml
from bloodcell.training.refit_smears import refit
from bloodcell.unstained import LACKS_STAIN


def test_a_model_fitted_to_drawn_cells_takes_them(
    smears: Path, run: bloodcell.Run, tmp_path: Path
) -> None:
    write_phantoms(tmp_path / "learnt", patients=10, cells=12, image_format="jpeg", seed=1)
    model, before = copy_of_model(tmp_path), load_model()
    refit(model, tmp_path / "learnt", tmp_path / "learnt" / "labels.csv")
    card = read_toml(model / "card.toml", ValueError)
    assert (card["smears"]["patients"], card["smears"]["cells"]) == (10, 120)
    assert {**card, "smears": 0} == {**before.card, "smears": 0}
    again = bloodcell.score(smears, tmp_path / "run", model)
    assert run.cells(["stained"])["stained"].to_pylist().count(True) < 20
    assert again.cells(["stained"])["stained"].to_pylist().count(True) > 52
    assert LACKS_STAIN not in again.patients["adjustment"].to_pylist()


def test_too_few_patients_leave_the_card_as_it_is(smears: Path, tmp_path: Path) -> None:
    model = copy_of_model(tmp_path)
    with pytest.raises(InputError, match=r"labels\.csv names too few patients: at least ten"):
        refit(model, smears, smears / "labels.csv")
    assert load_model(model).card_sha256 == load_model().card_sha256
