"""``bloodcell export-triton``: what it writes, and what it refuses without writing."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from helpers.tiny_model import write_tiny_model

from bloodcell.cli import main
from bloodcell.engine.backends.cuda import why_no_cuda


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "model", "pbc8")


def test_a_second_model_is_added_and_the_same_is_refused(model: Path, tmp_path: Path) -> None:
    to = tmp_path / "models" / "repository"
    command = ["export-triton", str(model), "--to", str(to)]
    first = CliRunner().invoke(main, [*command, "--json"])
    assert first.exit_code == 0, first.output
    assert json.loads(first.output)["model"] == str(to / "tiny")
    before = {path: path.read_bytes() for path in to.rglob("*") if path.is_file()}
    again = CliRunner().invoke(main, command)
    assert again.exit_code == 1
    assert f"{to / 'tiny'} exist" in again.output
    card = model / "card.toml"
    card.write_text(card.read_text().replace('name = "tiny"', 'name = "tiny.2"'))
    assert CliRunner().invoke(main, command).exit_code == 0
    assert {path.name for path in to.iterdir()} == {
        f"{name}{part}" for name in ("tiny", "tiny.2") for part in ("", "-decode", "-network")
    }
    assert all(path.read_bytes() == content for path, content in before.items())
    assert [path.name for path in to.parent.iterdir()] == ["repository"]


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("tiny", ["--tensorrt"], "--tensorrt goes with --device gpu"),
        ("../tiny", [], "letters, digits"),
        pytest.param(
            "tiny", ["--device", "gpu"], "export on a machine that has one",
            marks=pytest.mark.skipif(not why_no_cuda(), reason="there is a GPU"),
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_and_nothing_written(
    model: Path, tmp_path: Path, name: str, options: list[str], said: str
) -> None:
    card = model / "card.toml"
    card.write_text(card.read_text().replace('name = "tiny"', f'name = "{name}"'))
    to = tmp_path / "repository"
    refused = CliRunner().invoke(main, ["export-triton", str(model), "--to", str(to), *options])
    assert refused.exit_code == 1
    assert said in refused.output
    assert {path.name for path in tmp_path.iterdir()} == {"model"}
