"""The figures of ``evaluate``."""

from pathlib import Path
from typing import Any

import click

from bloodcell.printed.numbers import blast_percent, from_to, percent, share
from bloodcell.printed.tables import print_table


def print_evaluation(figures: dict[str, Any], folder: Path) -> None:
    """Print the figures of ``evaluate``, which lie in ``folder`` too."""
    print_label_counts(figures["cells"])
    if figures["classes"]:
        _print_classes(figures)
    _print_unidentified(figures["unidentified"])
    _print_blast(figures["blast"])
    _print_shares(figures)
    click.echo(f"figures and pictures: {folder}")
    click.echo("Research use only: never a diagnosis.")


def print_label_counts(cells: dict[str, int]) -> None:
    """How run and labels fit, see ``Joined.cells``."""
    click.echo(
        f"{cells['labelled']} labelled cells, {cells['rejected']} of them rejected, "
        f"{cells['unlabelled']} cells without a label, {cells['labels_not_in_run']} labels of "
        f"cells that are not in the run, {cells['labels_left_out']} labels left out"
    )


def _print_classes(figures: dict[str, Any]) -> None:
    print_table(
        ("class", "precision", "sensitivity", "n"),
        [
            (c["class"], share(c["precision"]), share(c["sensitivity"]), c["n"])
            for c in figures["classes"]
        ],
    )
    click.echo(
        f"accuracy over all classes: {share(figures['accuracy'])}, balanced accuracy: "
        f"{share(figures['balanced_accuracy'])}"
    )


def _print_unidentified(unidentified: dict[str, Any]) -> None:
    own, others = (
        share(unidentified[name], 2) for name in ("called_as_labelled", "others_called_as_labelled")
    )
    click.echo(
        f"{unidentified['cells']} unidentified ({percent(unidentified['percent'])} %); called as "
        f"labelled: {own} of them, {others} of the others"
    )


def _print_blast(blast: dict[str, Any]) -> None:
    click.echo(
        f"blast against rest: AUROC {_with_interval(blast, 'auroc', 4)}, calibration error "
        f"{_with_interval(blast, 'calibration_error', 3)}; {blast['cells']} cells, "
        f"{blast['blasts']} of them blasts; patients: {blast['patients']}"
    )
    click.echo(
        f"at blast probability {blast['threshold']}: sensitivity {share(blast['sensitivity'])}, "
        f"specificity {share(blast['specificity'])}"
    )
    for name, text in (
        ("leukocytes", "leukocytes"),
        ("leukocytes_not_blast", "leukocytes that are no blasts"),
    ):
        called = blast[name]
        click.echo(
            f"{text}: {called['called_blast']} of {called['n']} called blast "
            f"({percent(called['called_blast_percent'], 2)} %), blast probability of "
            f"{blast['threshold']} or more in {percent(called['reached_percent'], 2)} %"
        )


def _print_shares(figures: dict[str, Any]) -> None:
    print_table(
        (
            "patient", "leukocytes", "true blast %", "naive %", "error", "adjusted %",
            "95 % interval", "error", "covered",
        ),
        [
            (
                row["patient"],
                row["leukocytes"],
                blast_percent(row["true_percent"]),
                blast_percent(row["naive_percent"]),
                percent(row["naive_error_points"]),
                blast_percent(row["adjusted_percent"]),
                from_to(row["adjusted_percent_low"], row["adjusted_percent_high"], blast_percent),
                percent(row["adjusted_error_points"]),
                {None: "-", True: "yes", False: "no"}[row["covered"]],
            )
            for row in figures["patients"]
        ],
    )  # fmt: skip
    totals = figures["totals"]
    click.echo(
        f"absolute error of the naive share: {_errors(totals, 'naive_error')} "
        f"(patients: {totals['patients']})"
    )
    if totals["adjusted_patients"]:
        click.echo(
            f"absolute error of the adjusted share: {_errors(totals, 'adjusted_error')} (patients: "
            f"{totals['adjusted_patients']}; mean error of their naive share: "
            f"{percent(totals['naive_error_points_of_adjusted'])}); true share inside the "
            f"interval: {totals['covered']} of {totals['intervals']}"
        )
    else:
        click.echo("no adjusted shares in this run, so no coverage of their intervals")


def _errors(totals: dict[str, Any], error: str) -> str:
    """Over patients, in points."""
    mean, median, nine_tenths = (
        percent(totals[f"{error}{of}_points"]) for of in ("", "_median", "_90th_percentile")
    )
    return f"mean {mean}, median {median}, 90th percentile {nine_tenths} points"


def _with_interval(blast: dict[str, Any], name: str, digits: int) -> str:
    low, high = blast[f"{name}_low"], blast[f"{name}_high"]
    interval = from_to(low, high, lambda value: share(value, digits))
    return f"{share(blast[name], digits)} (95 % interval over patients: {interval})"
