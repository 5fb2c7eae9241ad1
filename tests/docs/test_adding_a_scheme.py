"""The scheme of the page, added as the page says."""

from pathlib import Path

import pytest

import bloodcell
from bloodcell.errors import ModelError
from bloodcell.scheme import load_scheme, scheme_names


def test_the_pages_scheme_is_one_of_the_schemes(documented_scheme: str) -> None:
    assert documented_scheme in scheme_names()
    scheme = load_scheme(documented_scheme)
    assert scheme.codes == ["NEU", "LYM", "PMO", "BLA", "SMU"]
    assert scheme.is_blast.tolist() == [False, False, False, True, False]
    assert scheme.is_leukocyte.tolist() == [True, True, True, True, False]
    assert scheme.counted_as("blood", "aml").is_blast.tolist() == [False, False, True, True, False]


def test_a_network_of_it_scores(cells: Path, model: Path, tmp_path: Path) -> None:
    run = bloodcell.score(cells, tmp_path / "run", model=model, backend="onnxruntime")
    (patient,) = run.patients.to_pylist()
    assert sum(patient[f"n_{code}"] for code in ("NEU", "LYM", "PMO", "BLA", "SMU")) == 24


def test_a_card_in_another_order_is_refused(model: Path) -> None:
    card = model / "card.toml"
    text = card.read_text(encoding="utf-8")
    card.write_text(text.replace('"NEU"', '"X"').replace('"LYM"', '"NEU"'), encoding="utf-8")
    with pytest.raises(ModelError, match="not those of scheme 'lab5'"):
        bloodcell.score(model, model.parent / "run", model=model)
