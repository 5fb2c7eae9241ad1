"""Denominators and diagnostic bands of an evaluation on the terminal."""

from typing import Any

import click

from bloodcell.bands import BAND_TEXTS
from bloodcell.printed.tables import print_table


def print_bands(figures: dict[str, Any]) -> None:
    """Print what shares are of, and how many patients keep their band of blasts."""
    rows = []
    for by, counts in figures["denominators"].items():
        rows.append(
            (
                f"{by} cells",
                counts["leukocytes"],
                counts["nucleated_cells"],
                counts["blasts"],
                _percent(counts["blast_percent_of_leukocytes"]),
                _percent(counts["blast_percent_of_nucleated_cells"]),
                _percent(counts["erythroid_per_100_leukocytes"]),
            )
        )
    print_table(
        ("counted by", "leukocytes", "nucleated cells", "blasts", "% of leukocytes",
         "% of nucleated cells", "erythroid per 100 leukocytes"),
        rows,
    )  # fmt: skip
    of = "leukocytes" if figures["profile"] == "blood" else "nucleated cells"
    names = [BAND_TEXTS[name] for name in figures["bands"]["bands"]]
    for by in ("naive", "adjusted"):
        counts = figures["bands"][by]
        if any(map(any, counts)):
            click.echo(f"patients by band of blasts among the {of}: true by row, {by} by column")
            crossed = zip(names, counts, strict=True)
            print_table(
                ("", *names), [(name, *patients) for name, patients in crossed if any(patients)]
            )


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
