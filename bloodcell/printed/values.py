"""Results without a table: JSON for machines, names with values for people."""

import json
from typing import Any

import click


def print_json(content: Any) -> None:
    """Print machine-readable output."""
    click.echo(json.dumps(content, indent=2, ensure_ascii=False))


def print_pairs(pairs: dict[str, Any]) -> None:
    """Print names and values, one pair a line."""
    width = max(len(name) for name in pairs)
    for name, value in pairs.items():
        click.echo(f"{name:<{width}}  {value}")
