"""What a person sees of doubted labels."""

from collections import Counter
from pathlib import Path
from typing import Any

import click
import pyarrow as pa

from bloodcell.printed.tables import print_table


def print_doubts(doubted: pa.Table, folder: Path) -> None:
    """Print how many labels a run contradicts, by label and call; they lie in ``folder``."""
    pairs = Counter(zip(doubted["label"].to_pylist(), doubted["called"].to_pylist(), strict=True))
    if pairs:
        rows = [(label, called, cells) for (label, called), cells in pairs.most_common()]
        print_table(("doubted label", "called", "cells"), rows)
    click.echo(f"{doubted.num_rows} labels are doubted: {folder / 'doubts.html'}")


def print_label_audit(tables: dict[str, list[dict[str, Any]]], folder: Path) -> None:
    """Print the tables of patients and classes that an audit wrote to ``folder``."""
    for rows in tables.values():
        print_table(tuple(rows[0]), [tuple(row.values()) for row in rows])
    click.echo(f"tables: {folder}")
