"""The commands of training. Only click is imported here."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bloodcell.command import Shown, command, pairs, progress_of
from bloodcell.given_numbers import MOST_THREADS
from bloodcell.paths import check_data, check_labels
from bloodcell.run_argument import NAME_OR_PATH, PathArgument

_PATH = PathArgument()


def _cell_options(body: Callable[..., Any]) -> Callable[..., Any]:
    """Labelled cells, their classes, and what works on them."""
    for option in (
        click.option(
            "--threads", type=click.IntRange(1, MOST_THREADS), help="CPU threads  [default: all]"
        ),
        click.option(
            "--scheme", metavar="NAME|TOML", type=NAME_OR_PATH,
            help="Classes: a scheme that comes with bloodcell, or your own file  "
            "[default: the recipe's]",
        ),
        click.option(
            "--labels", type=_PATH,
            help="CSV: path, patient, class; needed unless the recipe names its sources.",
        ),
        click.argument("data", type=_PATH),
    ):  # fmt: skip
        body = option(body)
    return body


@click.command()
@_cell_options
@click.option("--out", required=True, type=_PATH, help="Model folder, made or resumed.")
@click.option(
    "--recipe", metavar="NAME|TOML", type=NAME_OR_PATH, default="resnext26", show_default=True,
    help="All options of a training: one that comes with bloodcell, or your own file.",
)  # fmt: skip
@click.option(
    "--head", type=click.Choice(["softmax", "svm"]), default="softmax", show_default=True,
    help="svm: a linear support vector machine on the features of the trained network.",
)  # fmt: skip
@click.option("--data-source", help="For the card: where the images are from.")
@click.option("--data-licence", help="For the card: their licence state.")
@click.option("--data-limits", help="For the card: what they lack.")
@command(log_level=logging.INFO)
def train(data: Path, labels: Path | None, out: Path, **options: Any) -> Shown:
    """Train a network on the labelled cells in DATA and write a model folder."""
    check_data(data)
    if labels:
        check_labels(labels)
    from bloodcell.engine.machine import keep_memory_at_hand
    from bloodcell.training import train as run_training

    keep_memory_at_hand()
    with progress_of("training", unit="batches") as progress:
        run_training(data, labels, out, progress=progress, **options)
    return pairs({"model folder": out})


@click.command()
@_cell_options
@click.option("--out", required=True, type=_PATH, help="Folder for the tables, made or resumed.")
@click.option(
    "--recipe", metavar="NAME|TOML", type=NAME_OR_PATH, required=True,
    help="Whose sources and [doubts] are taken.",
)  # fmt: skip
@command(log_level=logging.INFO)
def audit_labels(data: Path, labels: Path | None, out: Path, **options: Any) -> Shown:
    """Say which labels of the cells in DATA are doubtful, by classifiers of other patients."""
    check_data(data)
    if labels:
        check_labels(labels)
    from bloodcell.printed.doubts import print_label_audit
    from bloodcell.training.label_audit import audit_labels as run_audit

    tables = run_audit(data, labels, out, **options)
    content = {name: table.to_pylist() for name, table in tables.items() if name.endswith("csv")}
    return Shown(content, lambda: print_label_audit(content, out))
