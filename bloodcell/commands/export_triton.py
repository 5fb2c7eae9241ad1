"""`bloodcell export-triton`."""

from pathlib import Path
from typing import Any

import click

from bloodcell.command import Shown, command, pairs
from bloodcell.paths import model_folder
from bloodcell.run_argument import NAME_OR_PATH, PathArgument


@click.command("export-triton")
@click.argument("model", metavar="MODEL", type=NAME_OR_PATH)
@click.option(
    "--to",
    required=True,
    type=PathArgument(),
    help="Model repository, made or added to.",
)
@click.option(
    "--device", type=click.Choice(["cpu", "gpu"]), default="cpu", show_default=True,
    help="Where Triton decodes and computes; gpu needs one here, too.",
)  # fmt: skip
@click.option("--tensorrt", is_flag=True, help="Let TensorRT compute the network, on the GPU.")
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=64, show_default=True,
    help="Most cells of a request, and of a batch.",
)  # fmt: skip
@command
def export_triton(model: str, to: Path, **options: Any) -> Shown:
    """Write MODEL as a repository of Triton Inference Server: an ensemble of DALI and ONNX.

    MODEL is a shipped model's name or a model folder.
    """
    model_folder(model)
    from bloodcell.triton import Options
    from bloodcell.triton import export_triton as run_export

    folders = run_export(model, to, Options(**options))
    *parts, ensemble = folders
    return pairs({"model": ensemble, **{f"part {n}": one for n, one in enumerate(parts, start=1)}})
