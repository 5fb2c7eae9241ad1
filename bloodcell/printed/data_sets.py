"""A public data set on the terminal, and as JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from bloodcell.fetching import DataSet, Fetched


def as_json(data_set: DataSet, files: Sequence[Fetched]) -> dict[str, Any]:
    """What is printed, for machines."""
    return {
        "name": data_set.name,
        "title": data_set.title,
        "page": data_set.page,
        "cite": data_set.cite,
        "licence": data_set.licence,
        "then": data_set.then,
        "files": [
            {
                "path": str(one.path),
                "state": one.state,
                "about_gb": one.file.about_gb,
                "address": one.file.address,
                "by_hand": one.file.by_hand,
                "sha256": one.sha256,
                "sha256_known_by": one.known_by,
            }
            for one in files
        ],
    }


def print_data_set(data_set: DataSet, files: Sequence[Fetched], folder: Path) -> None:
    """Print what the set is, each file's address, state and digest, and what to do next."""
    click.echo(f"{data_set.name}: {data_set.title}")
    click.echo(f"page:     {data_set.page}")
    click.echo(f"cite:     {data_set.cite}")
    click.echo(f"licence:  {data_set.licence}")
    for one in files:
        click.echo(f"\n{one.path}: {one.state}, about {one.file.about_gb:g} GB")
        click.echo(f"  from:    {one.file.address or f'{one.file.by_hand}, in {folder}'}")
        known_by = f" ({one.known_by})" if one.sha256 else one.known_by
        click.echo(f"  SHA-256: {one.sha256 or ''}{known_by}")
    click.echo()
    if all(one.state == "there" for one in files):
        click.echo(data_set.then)
    elif any(one.file.address for one in files if one.state != "there"):
        click.echo("--run fetches what has an address.")
