"""`bloodcell evaluate`: a run beside labels."""

from pathlib import Path

import click

from bloodcell.command import Shown, command
from bloodcell.commands.label_options import label_map_options
from bloodcell.paths import check_labels, check_run
from bloodcell.run_argument import NAME_OR_PATH, PathArgument, RunArgument

_PATH = PathArgument()


@click.command()
@click.argument("run", type=RunArgument())
@click.option("--labels", required=True, type=_PATH, help="CSV with path and class.")
@label_map_options
@click.option(
    "--as", "paper", metavar="PAPER", type=NAME_OR_PATH,
    help="The tables of a paper, too: matek2019, matek2021, acevedo2019, or your own TOML.",
)  # fmt: skip
@click.option(
    "--doubts", is_flag=True, help="List and show the labels that the run contradicts, too."
)
@command
def evaluate(
    run: Path,
    *,
    labels: Path,
    label_map: Path | None,
    ignore_class: tuple[str, ...],
    paper: str | None,
    doubts: bool,
) -> Shown:
    """Compare a run with labels: by class, blast ROC, by patient. Writes RUN/evaluation."""
    check_run(run)
    check_labels(labels)
    from bloodcell.evaluation import evaluate as run_evaluation
    from bloodcell.evaluation import write_evaluation
    from bloodcell.labels import read_label_map, why_unused
    from bloodcell.printed.bands import print_bands
    from bloodcell.printed.evaluation import print_evaluation
    from bloodcell.printed.paper import print_paper
    from bloodcell.published import read_paper
    from bloodcell.run import open_run

    beside = read_paper(paper) if paper else None
    opened, meant = open_run(run), read_label_map(label_map, ignore_class)
    unused = why_unused(labels, meant) if meant else []
    figures = run_evaluation(opened, labels, meant, beside)
    folder = write_evaluation(opened, figures)

    def show_figures() -> None:
        print_evaluation(figures, folder)
        print_bands(figures)
        if beside:
            print_paper(figures["paper"], figures["profile"])

    if not doubts:
        return Shown(figures, show_figures, unused)
    from bloodcell.evaluation.doubts import write_doubts
    from bloodcell.printed.doubts import print_doubts

    doubted = write_doubts(opened, labels, meant)

    def show() -> None:
        show_figures()
        print_doubts(doubted, folder)

    return Shown({**figures, "doubts": doubted.to_pylist()}, show, unused)
