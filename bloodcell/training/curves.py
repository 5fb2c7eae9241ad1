"""The picture of a training: losses and ranking by epoch."""

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bloodcell.plots import BLUE, GREY, ORANGE, label_axes, new_figure


def draw_curves(history: list[dict[str, Any]], name: str) -> Figure:
    """Losses on the left axis, blast AUROC of the held-out patients on the right one.

    ``history``: one entry an epoch of each network, as ``crossvalidation.Fitted`` has it; a
    line for each, teachers left out. ``name``: the model's.
    """
    figure = new_figure(7.0, 4.0)
    losses = figure.subplots()
    label_axes(losses, f"Training of {name}", "epoch", "loss")
    losses.xaxis.set_major_locator(MaxNLocator(integer=True))
    ranking = losses.twinx()
    ranking.set_ylabel("blast AUROC, held-out patients")
    ranking.spines["top"].set_visible(False)
    networks = [n for n in dict.fromkeys(e["part"] for e in history) if " teacher " not in n]
    for axes, column, color, label in (
        (losses, "training_loss", GREY, "loss, training"),
        (losses, "validation_loss", BLUE, "loss, held out"),
        (ranking, "blast_auroc", ORANGE, "blast AUROC"),
    ):
        for network in networks:
            entries = [e for e in history if e["part"] == network and column in e]
            epochs, values = ([e[key] for e in entries] for key in ("epoch", column))
            # The legend names each colour once.
            axes.plot(epochs, values, color=color, label=label if network == networks[0] else None)
    losses.set_ylim(bottom=0)
    ranking.set_ylim(top=1.0)
    figure.legend(loc="outside upper right", ncols=3, frameon=False)
    return figure
