"""What holds for both command lines: help is whole, and stands in the documents."""

import subprocess
import sys
from pathlib import Path

import click

HEAVY = {"numpy", "pyarrow", "nvidia", "onnxruntime", "torch", "rich", "PIL", "jinja2"}
"""Packages that take a while to load."""
_DOCS = Path(__file__).resolve().parents[2] / "docs"


def packages_loaded(module: str, *words: str, exit_status: int = 0) -> set[str]:
    """Top packages that a command loads; its exit status is checked."""
    program = (
        f"import sys; from click.testing import CliRunner; from {module} import main;"
        f"result = CliRunner().invoke(main, {list(words)}); sys.stderr.write(result.output);"
        f"assert result.exit_code == {exit_status};"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def commands_of(group: click.Group, before: str = "") -> dict[str, click.Command]:
    """Each command by its words, those of groups inside too."""
    commands: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        inner = isinstance(command, click.Group)
        commands |= commands_of(command, f"{name} ") if inner else {before + name: command}
    return commands


def assert_documented(main: click.Group, program: str, page: str) -> None:
    docs = (_DOCS / page).read_text()
    for name, command in commands_of(main).items():
        assert command.help, name
        assert f"## {program} {name}" in docs
        for parameter in command.params:
            for option in getattr(parameter, "opts", []):
                if option.startswith("--") and option != "--help":
                    assert f"`{option}" in docs, f"{name} {option}"
