"""What a run is not begun with: foreign folders, models that differ from their card."""

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.drawn_runs import copy_of_model
from helpers.tiny_model import write_tiny_model

import bloodcell
from bloodcell.errors import EngineError, InputError, ModelError, RunError
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


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"threads": 1.5}, r"threads is a whole number, 1\.5 given"),
        ({"threads": 1025}, "threads is at most 1024, 1025 given"),
        ({"workers": True}, "workers is a whole number, True given"),
        ({"batch_size": "8"}, "batch_size is a whole number, '8' given"),
        ({"batch_size": 0}, "batch_size is at least 1, 0 given"),
        ({"interval_width": "10"}, "interval_width is a number of points, '10' given"),
    ],
)
def test_options_that_are_no_such_numbers_begin_nothing(
    smears: Path, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        bloodcell.score(smears, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_numbers_of_numpy_make_a_run_that_can_be_opened(smears: Path, tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "tiny", "jhu18")
    bloodcell.score(
        smears / "phantom-000", tmp_path / "run", model, threads=np.int64(1),  # type: ignore[arg-type]
        interval_width=np.float32(7.5),  # type: ignore[arg-type]
    )  # fmt: skip
    about = bloodcell.open_run(tmp_path / "run").about
    assert (about["session"]["threads"], about["job"]["interval_width"]) == (1, 7.5)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("x" * 5000, r"cannot look up x{100}\.\.\. \(5000 bytes\): File name too long"),
        ("a\0b", r"'a\\x00b' is no path: embedded null byte"),
        ("a\ud800", r"'a\\ud800' is no path: .* surrogates not allowed"),
    ],
)
def test_paths_that_the_system_refuses_are_told_in_short(
    smears: Path, tmp_path: Path, path: str, said: str
) -> None:
    for given in ((path, tmp_path / "run"), (smears, path), (smears, tmp_path / "run", path)):
        with pytest.raises(InputError, match=said):
            bloodcell.score(*given)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("program", ["", None, "/absent/python"])
def test_a_program_without_an_interpreter_is_told_what_it_lacks(
    smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str | None
) -> None:
    model = write_tiny_model(tmp_path / "tiny", "jhu18")
    monkeypatch.setattr(sys, "executable", program)
    with pytest.raises(EngineError, match=rf"sys\.executable {program!r}: .* interpreter"):
        bloodcell.score(smears, tmp_path / "run", model)
    assert not (tmp_path / "run").exists()


def test_a_run_folder_that_is_removed_while_it_is_written_is_told(
    smears: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"

    def remove(_done: int, _cells: int) -> None:
        shutil.rmtree(out)

    with pytest.raises(RunError, match="run was removed while it was written: run the same"):
        bloodcell.score(smears, out, progress=remove)


def test_links_to_themselves_and_files_in_the_way_are_told(smears: Path, tmp_path: Path) -> None:
    loop, file = tmp_path / "loop", tmp_path / "file"
    loop.symlink_to(loop)
    file.write_text("")
    for source, out in ((loop, tmp_path / "run"), (smears, loop), (smears, loop / "run")):
        with pytest.raises(InputError, match=r"loop(/run)? goes by a link that leads to itself"):
            bloodcell.score(source, out)
    with pytest.raises(RunError, match="file is a file: --out names a folder"):
        bloodcell.score(smears, file / "run")


def test_a_card_of_an_earlier_version_is_named(tmp_path: Path) -> None:
    folder = copy_of_model(tmp_path)
    card = folder / "card.toml"
    lines = card.read_text().splitlines(keepends=True)
    card.write_text("".join(line for line in lines if not line.startswith("misfit_limit =")))
    with pytest.raises(ModelError, match=rf"{card}: \[error_model\] has other entries"):
        load_model(folder)
