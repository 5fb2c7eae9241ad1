"""What this machine offers, how fast models are on it, and plans for its GPU."""

import logging

import click

from bloodcell.command import Shown, command, pairs, progress_of
from bloodcell.paths import model_folder
from bloodcell.run_argument import NAME_OR_PATH


@click.command()
@click.argument("model", metavar="MODEL", type=NAME_OR_PATH)
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=256, show_default=True,
    help="Cells a batch; smaller ones are filled up to it.",
)  # fmt: skip
@click.option(
    "--merge-groups", type=click.IntRange(min=1), metavar="CHANNELS",
    help="Merge narrower groups of convolutions to so many channels: equal results.",
)  # fmt: skip
@command(log_level=logging.INFO)
def build(model: str, batch_size: int, merge_groups: int | None) -> Shown:
    """Build the TensorRT plan of MODEL for this GPU, which scoring would otherwise do first.

    MODEL is a shipped model's name or a model folder. The plan is kept in your cache folder, and
    scoring with TensorRT on this GPU takes the options of the last build.
    """
    model_folder(model)
    from bloodcell.engine.backends.tensorrt import PlanOptions
    from bloodcell.plans import build as run_build

    return pairs(run_build(model, PlanOptions(batch_size, merge_groups or 0)))


@click.command()
@click.option("--recipes", is_flag=True, help="List what `train` offers instead.")
@command
def models(recipes: bool) -> Shown:
    """List the models that come with bloodcell and measure their speed here."""
    from bloodcell.catalogue import shipped_models, trainable_recipes
    from bloodcell.printed.networks import print_networks

    with progress_of("measuring", unit="networks") as progress:
        entries = trainable_recipes(progress) if recipes else shipped_models(progress)
    return Shown(entries, lambda: print_networks(entries))


@click.command()
@command
def doctor() -> Shown:
    """Say what this machine offers and which backend `auto` takes here."""
    from bloodcell.doctor import examine

    return pairs(examine())
