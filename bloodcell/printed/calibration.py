"""What a person sees of a site's model."""

from typing import Any

import click

from bloodcell.printed.evaluation import print_label_counts
from bloodcell.printed.tables import print_table
from bloodcell.printed.values import print_pairs

_NAMES = {"": "by the others", "start_": "model as it was"}


def print_site_model(
    totals: dict[str, Any],
    cells: dict[str, int] | None,
    figures: dict[str, float],
    rows: list[dict[str, Any]],
) -> None:
    """Print what was made, and each patient by a model that the patient had no part in.

    ``cells``: how run and labels fit; None where there are no labels.
    """
    if cells:
        print_label_counts(cells)
    print_pairs(totals)
    whose = [start for start in _NAMES if f"{start}percent" in rows[0]]
    header = ["held out", "true %"]
    for start in whose:
        header += [_NAMES[start], "covered", "error"]
    print_table(tuple(header), [_row(row, whose) for row in rows])
    for start in whose:
        click.echo(
            f"{_NAMES[start]}: error {figures[f'{start}error_points']:.1f} points, covered "
            f"{figures[f'{start}coverage']:.2f}, intervals {figures[f'{start}width_points']:.1f} "
            "points wide"
        )


def _row(row: dict[str, Any], whose: list[str]) -> tuple[str, ...]:
    cells = [str(row["patient"]), f"{row['true_percent']:.1f}"]
    for start in whose:
        share, low, high = (row[f"{start}percent{end}"] for end in ("", "_low", "_high"))
        cells += [
            f"{share:.1f} ({low:.1f} to {high:.1f})",
            "yes" if row[f"{start}covered"] else "no",
            f"{row[f'{start}error_points']:.1f}",
        ]
    return tuple(cells)
