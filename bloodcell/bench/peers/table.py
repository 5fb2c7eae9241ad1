"""What a person reads after a comparison. Loaded only when the command runs."""

import click

from bloodcell.bench.peers.comparison import OWN
from bloodcell.bench.record import Record
from bloodcell.bench.tables import number
from bloodcell.console import print_table


def print_peers(record: Record) -> None:
    """Print each contender's speed, how many times as fast bloodcell was, and who did not run."""
    header = (
        "contender", "cells/s", "least", "most", "ratio", "least", "most", "same class",
    )  # fmt: skip
    ran = [row for row in record.figures if "cells_per_s" in row]
    print_table(
        header,
        [
            (
                row["contender"],
                *(number(row["cells_per_s"][key]) for key in ("median", "least", "most")),
                *(number((row["ratio"] or {}).get(key)) for key in ("median", "least", "most")),
                f"{100 * row['same_class']:.1f} %",
            )
            for row in ran
        ],
    )
    for row in record.figures:
        if "why_not" in row:
            click.echo(f"not measured: {row['contender']}: {row['why_not']}")
    for verdict in record.verdicts:
        if not verdict["good"]:
            click.echo(f"FAILED {verdict['what']}: {verdict['says']}")
    click.echo(
        f"From files to classes; medians of {ran[0]['cells_per_s']['repeats']} round(s). Ratio: "
        f"{OWN}'s cells/s to the contender's in the same round. {OWN}'s time is the whole call's: "
        "it also loads the network, writes the run and the report, and counts the patients; the "
        "others, loaded before, give classes alone."
    )
