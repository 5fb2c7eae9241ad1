"""What holds for both command lines: help is quick and whole, and stands in the documents."""

import subprocess
import sys
from pathlib import Path

import click

_DOCS = Path(__file__).resolve().parents[2] / "docs"


def packages_loaded_for_help(module: str) -> set[str]:
    program = (
        f"import sys; from click.testing import CliRunner; from {module} import main;"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0;"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return set(done.stdout.decode().split())


def assert_documented(main: click.Group, program: str, page: str) -> None:
    docs = (_DOCS / page).read_text()
    for name, command in main.commands.items():
        assert command.help, name
        assert f"## {program} {name}" in docs
        for parameter in command.params:
            for option in getattr(parameter, "opts", []):
                if option.startswith("--") and option != "--help":
                    assert f"`{option}" in docs, f"{name} {option}"
