"""Results without a table: JSON for machines, names with values for people."""

import json
from typing import Any

import click

from bloodcell.terminal import printable


def print_json(content: Any) -> None:
    """Print machine-readable output."""
    text = json.dumps(content, indent=2, ensure_ascii=False)
    click.echo("".join(one if one.isprintable() or one == "\n" else _escaped(one) for one in text))


def _escaped(sign: str) -> str:
    """As JSON may write any sign, of which a terminal makes nothing."""
    return json.dumps(sign)[1:-1]


def print_pairs(pairs: dict[str, Any]) -> None:
    """Print names and values, one pair a line."""
    width = max(len(name) for name in pairs)
    for name, value in pairs.items():
        click.echo(f"{name:<{width}}  {printable(value)}")
