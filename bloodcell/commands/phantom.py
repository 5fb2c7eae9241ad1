"""`bloodcell phantom`: drawn cells."""

from pathlib import Path
from typing import Any

import click

from bloodcell.command import Shown, command, pairs
from bloodcell.run_argument import PathArgument

_PATH = PathArgument()


@click.command()
@click.argument("out", type=_PATH)
@click.option("--patients", type=click.IntRange(min=1), default=4, show_default=True)
@click.option(
    "--cells", type=click.IntRange(min=1), default=100, show_default=True, help="Cells a patient."
)
@click.option(
    "--format", "image_format",
    type=click.Choice(["jpeg", "tiff", "png", "bmp", "mixed"]), default="jpeg", show_default=True,
)  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True)
@command
def phantom(out: Path, **options: Any) -> Shown:
    """Draw cells for demos, tests and load. They are drawings, never real cells."""
    from bloodcell.phantom import write_phantoms

    summary = write_phantoms(out, **options)
    return pairs({"drawn cells": summary.cells, "drawn patients": summary.patients, "folder": out})
