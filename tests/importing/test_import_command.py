"""`bloodcell import`: what it prints, and its one line where it refuses."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from helpers.foreign_networks import description
from helpers.tiny_onnx import tiny_onnx

from bloodcell.caches import keep_library_caches_together, user_cache
from bloodcell.cli import main


def run(folder: Path, *more: str, merge: str = "merge = [{ column = 2, into = 1 }]") -> Result:
    (folder / "theirs.onnx").write_bytes(tiny_onnx(8, 16))
    stated = description(folder, merge, side=8)
    return CliRunner().invoke(
        main,
        ["import", str(folder / "theirs.onnx"), "--description", str(stated), "--scheme", "lmu15",
         "--out", str(folder / "model"), *more],
    )  # fmt: skip


def test_it_says_what_each_output_means_and_what_is_missing(tmp_path: Path) -> None:
    result = run(tmp_path, "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert list(said["label map"])[9:11] == ["MYB", "MYO"]
    assert said["label map"]["MYO"] == "Myeloblast"
    assert said["largest difference from it"]["probability"] < 1e-5
    assert "shares are counted as called, not adjusted" in result.stderr
    assert (tmp_path / "model" / "card.toml").is_file()


def test_for_people_a_line_each(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.exit_code == 0
    assert "9 MYB, 10 MYO" in " ".join(result.stdout.split())


def test_a_refusal_is_one_line(tmp_path: Path) -> None:
    result = run(tmp_path, merge="")
    assert result.exit_code == 1
    assert result.stderr.startswith("bloodcell: the network gives 16 outputs")
    assert not (tmp_path / "model").exists()


def test_a_folder_of_a_like_name_stays(tmp_path: Path) -> None:
    (tmp_path / "model.new").mkdir()
    (tmp_path / "model.new" / "mine").touch()
    assert run(tmp_path).exit_code == 0
    assert (tmp_path / "model.new" / "mine").exists()
    assert len(list(tmp_path.glob("model*"))) == 2


def test_keras_keeps_its_settings_in_our_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", "")
    monkeypatch.delenv("KERAS_HOME")
    keep_library_caches_together()
    assert os.environ["KERAS_HOME"] == str(user_cache() / "keras")
