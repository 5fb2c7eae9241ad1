"""What holds for both command lines: help is whole, and stands in the documents."""

from pathlib import Path

import click

_DOCS = Path(__file__).resolve().parents[2] / "docs"


def assert_documented(main: click.Group, program: str, page: str) -> None:
    docs = (_DOCS / page).read_text()
    for name, command in main.commands.items():
        assert command.help, name
        assert f"## {program} {name}" in docs
        for parameter in command.params:
            for option in getattr(parameter, "opts", []):
                if option.startswith("--") and option != "--help":
                    assert f"`{option}" in docs, f"{name} {option}"
