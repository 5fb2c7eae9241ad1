"""The picture of a training: losses and ranking by epoch."""

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bloodcell.plots import BLUE, GREY, ORANGE, label_axes, new_figure


def draw_curves(history: list[dict[str, float]], name: str) -> Figure:
    """Losses on the left axis, blast AUROC of the held-out patients on the right one.

    ``history``: one entry an epoch, as the trainer keeps it; ``name``: the model's.
    """
    epoch = [entry["epoch"] for entry in history]
    figure = new_figure(7.0, 4.0)
    losses = figure.subplots()
    label_axes(losses, f"Training of {name}", "epoch", "loss")
    losses.plot(epoch, _column(history, "training_loss"), color=GREY, label="loss, training")
    losses.plot(epoch, _column(history, "validation_loss"), color=BLUE, label="loss, held out")
    losses.set_ylim(bottom=0)
    losses.xaxis.set_major_locator(MaxNLocator(integer=True))
    ranking = losses.twinx()
    ranking.set_ylabel("blast AUROC, held-out patients")
    ranking.plot(epoch, _column(history, "blast_auroc"), color=ORANGE, label="blast AUROC")
    ranking.set_ylim(top=1.0)
    ranking.spines["top"].set_visible(False)
    figure.legend(loc="outside upper right", ncols=3, frameon=False)
    return figure


def _column(history: list[dict[str, float]], name: str) -> list[float]:
    return [entry[name] for entry in history]
