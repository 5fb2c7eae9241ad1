"""A paper's tables of a run on the terminal, what was published beside it."""

from typing import Any

import click

from bloodcell.printed.tables import print_table

_NOT_VERIFIED = " ?"


def print_paper(paper: dict[str, Any], profile: str) -> None:
    """Print the figures of ``paper_figures``; ``profile``: as the run counts its shares."""
    translated = f", classes translated from {paper['translated_from']}"
    click.echo(
        f"\nAs {paper['title']} (scheme {paper['scheme']}"
        f"{translated if paper['translated_from'] else ''})"
    )
    click.echo(
        f"{paper['cells']} cells, {paper['cells_left_out']} left out that are labelled as no class "
        f"of it, {paper['cells_called_no_class']} called as none; "
        + (f"mean and spread of {paper['folds']} folds" if paper["folds"] else "no folds")
    )
    click.echo(f"published: {paper['source']}; {paper['measured_on']}")
    _print_classes(paper)
    _print_groups(paper)
    _print_accuracy(paper)
    if paper["specimen"] != profile:
        click.echo(
            f"The paper's cells are of {paper['specimen']}, the shares above are counted as of "
            f"{profile}: score with --profile {paper['specimen']} to count as it does"
        )
    if paper["note"]:
        click.echo(paper["note"])
    if not all(paper["verified"][kind] for kind in _shown_kinds(paper)):
        click.echo("?: remembered, not read in the paper; do not quote it unchecked")


def _shown_kinds(paper: dict[str, Any]) -> list[str]:
    kinds = ["classes"] if any(row["published"] for row in paper["classes"]) else []
    kinds += ["groups"] if any(row["published"] for row in paper["groups"]) else []
    return kinds + (["accuracy"] if paper["published_accuracy"] else [])


def _print_classes(paper: dict[str, Any]) -> None:
    figures = ["precision", "sensitivity"]
    if paper["tolerated"]:
        figures += ["tolerant_precision", "tolerant_sensitivity"]
    titles = [figure.replace("_", " ") for figure in figures]
    is_published = any(row["published"] for row in paper["classes"])
    header = ("class", "n", *titles)
    if is_published:
        header += ("published n", *(f"published {title}" for title in titles))
    mark = "" if paper["verified"]["classes"] else _NOT_VERIFIED
    rows = [
        (row["class"], row["n"], *(with_spread(row, figure) for figure in figures))
        + (_published(row["published"] or {}, ["n", *figures], mark) if is_published else ())
        for row in paper["classes"]
        if row["n"] or row["calls"] or row["published"]
    ]
    print_table(header, rows)
    if paper["tolerated"]:
        pairs = ", ".join("/".join(pair) for pair in paper["tolerated"])
        click.echo(f"tolerant: these pass for each other: {pairs}")


def _published(stated: dict[str, float], names: list[str], mark: str) -> tuple[str, ...]:
    return tuple(
        "-" if name not in stated
        else f"{stated[name]:,}{mark}" if name == "n"
        else f"{stated[name]:.2f}{mark}"
        for name in names
    )  # fmt: skip


def _print_groups(paper: dict[str, Any]) -> None:
    mark = "" if paper["verified"]["groups"] else _NOT_VERIFIED
    for row in paper["groups"]:
        stated = row["published"]
        beside = f"; published {with_spread(stated, 'auroc', 'spread')}{mark}" if stated else ""
        click.echo(
            f"{row['group']} ({', '.join(row['classes'])}) against rest: AUROC "
            f"{with_spread(row, 'auroc')}, {row['n']} of {paper['cells']} cells{beside}"
        )


def _print_accuracy(paper: dict[str, Any]) -> None:
    click.echo(f"accuracy: {with_spread(paper, 'accuracy')}, n = {paper['cells']}")
    if not paper["published_accuracy"]:
        return
    mark = "" if paper["verified"]["accuracy"] else _NOT_VERIFIED
    for what, accuracy in paper["published_accuracy"].items():
        click.echo(f"published accuracy, {what}: {accuracy:.2f}{mark}")
    confusion = paper["confusion"]
    rows = zip(confusion["labels"], confusion["counts"], strict=True)
    print_table(
        ("labelled \\ called", *confusion["called"]), [(label, *counts) for label, counts in rows]
    )


def with_spread(row: dict[str, Any], figure: str, spread: str = "") -> str:
    """A figure of 0 to 1, with its spread over folds where there is one."""
    value, width = row[figure], row.get(spread or f"{figure}_spread")
    text = "-" if value is None else f"{value:.3f}"
    return text if value is None or width is None else f"{text} ± {width:.3f}"
