"""A path without a letter, as of a variable that is not set, is not the current folder."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import bloodcell
from bloodcell import cli
from bloodcell.errors import InputError
from bloodcell.paths import model_folder

_OF_PATHS = ("PATH", "DIR", "TOML", "CSV", "PAPER", "INPUT", "MODEL", "RUN", "ANSWERS", "DATA")


def commands(group: click.Group = cli.main) -> Iterator[click.Command]:
    for command in group.commands.values():
        if isinstance(command, click.Group):
            yield from commands(command)
        else:
            yield command


def paths_of(command: click.Command) -> Iterator[click.Parameter]:
    context = click.Context(command)
    for parameter in command.params:
        if any(word in parameter.make_metavar(context) for word in _OF_PATHS):
            yield parameter


def test_no_command_takes_an_empty_path() -> None:
    refused = 0
    for command in commands():
        for parameter in paths_of(command):
            with pytest.raises(click.ClickException, match="is empty, as that of a variable"):
                parameter.type_cast_value(
                    click.Context(command), ("",) * (parameter.nargs != 1) or ""
                )
            refused += 1
    assert refused > 40


@pytest.mark.parametrize(
    "words", [("score", "", "--out", "run"), ("score", ".", "--out", ""), ("report", "")]
)
def test_it_is_one_line_and_status_1(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "P1").mkdir()
    (tmp_path / "P1" / "1.jpg").touch()
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli.main, list(words))
    assert done.exit_code == 1
    assert done.output.startswith("bloodcell: '")
    assert done.output.endswith("' is empty, as that of a variable which is not set\n")
    assert [path.name for path in tmp_path.iterdir()] == ["P1"]


def test_python_is_told_too(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a path is empty"):
        bloodcell.score("", tmp_path / "run")
    with pytest.raises(InputError, match="a path is empty"):
        bloodcell.score(tmp_path, "")
    with pytest.raises(InputError, match="a path is empty"):
        bloodcell.open_run("")
    with pytest.raises(InputError, match="the model's name is empty"):
        model_folder("")
