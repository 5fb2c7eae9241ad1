"""What a run is not begun with: foreign folders, models that differ from their card."""

import shutil
from pathlib import Path

import pytest
from helpers.drawn_runs import copy_of_model

import bloodcell
from bloodcell.errors import InputError, ModelError, RunError
from bloodcell.files import sha256_of
from bloodcell.model import load_model

pytestmark = pytest.mark.usefixtures("small_parts")


def test_a_folder_with_foreign_files_is_left_alone(smears: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match=r"not empty and holds no run \(thesis.txt"):
        bloodcell.score(smears, tmp_path)
    with pytest.raises(InputError, match="lies inside the input"):
        bloodcell.score(tmp_path, tmp_path / "run")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "manifest.parquet").write_bytes(b"a user's own")
    with pytest.raises(InputError, match="lies inside the run folder"):
        bloodcell.score(tmp_path / "m" / "manifest.parquet", tmp_path / "m")


def test_a_second_scorer_is_kept_out(smears: Path, tmp_path: Path) -> None:
    from bloodcell.store import RunStore

    with (
        RunStore(tmp_path / "run").locked(),
        pytest.raises(RunError, match="another process"),
    ):
        bloodcell.score(smears, tmp_path / "run")


def test_models_that_differ_from_their_card_are_refused(smears: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="unknown model 'absent'"):
        bloodcell.score(smears, tmp_path / "run", model="absent")
    model = copy_of_model(tmp_path)
    with (model / "model.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ModelError, match=r"model\.onnx is not the file its card describes"):
        bloodcell.score(smears, tmp_path / "run", model=model)
    shutil.copy(load_model().folder / "model.onnx", model)
    card = (model / "card.toml").read_text()
    for entry, wrong, message in [
        (f'name = "{load_model().name}"', "name = 5", "name is 5, a text of printable signs"),
        (f'name = "{load_model().name}"', r'name = "a\u001b[2J"', "a text of printable signs"),
        ("input_px = 160", f"input_px = 1{400 * '0'}", "a number above 0"),
        ('interpolation = "linear"', 'interpolation = "nearest"', "one of"),
        ("region = 0.7", "region = 5.0", "at most 1"),
        ("antialias = true", 'antialias = "false"', "not true or false"),
        ("input_px = 160", "input_px = 112", "its card says"),
        ("input_px = 160", "input_px = 160.5", "160.5, a whole number is expected"),
        ("0.183,", "0.0,", "a number above 0"),
        ("prior_ratios = [", "prior_ratios = [1.0,", "prior_ratios: 18 numbers, or none"),
        ("prior_ratios = [\n    ", "prior_ratios = [\n    -", "a number of 0 or more"),
    ]:
        assert entry in card
        (model / "card.toml").write_text(card.replace(entry, wrong))
        with pytest.raises(ModelError, match=message):
            bloodcell.score(smears, tmp_path / "run", model=model)
    (model / "card.toml").write_text("name = 'x'\n")
    with pytest.raises(ModelError, match=r"card\.toml lacks the entry 'scheme'"):
        bloodcell.score(smears, tmp_path / "run", model=model)
    assert not (tmp_path / "run").exists()


def test_weights_in_other_files_are_refused_where_the_network_would_find_them(
    smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx = pytest.importorskip("onnx")
    model = copy_of_model(tmp_path)
    weights, card = model / "model.onnx", model / "card.toml"
    network = onnx.load(weights)
    weights.unlink()
    onnx.save_model(network, weights, save_as_external_data=True, location="weights.bin")
    stated = load_model().weights_sha256
    card.write_text(card.read_text().replace(stated, sha256_of(weights)))
    monkeypatch.chdir(model)
    with pytest.raises(ModelError, match="has weights in other files"):
        bloodcell.score(smears, tmp_path / "run", model=model, backend="onnxruntime")


def test_an_explicit_backend_never_falls_back(
    smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bloodcell.engine.backends import choice

    monkeypatch.setattr(choice, "why_no_cuda", lambda: "no NVIDIA driver is installed")
    with pytest.raises(bloodcell.EngineError, match="'tensorrt' cannot run here: it needs a CUDA"):
        bloodcell.score(smears, tmp_path / "run", backend="tensorrt")
