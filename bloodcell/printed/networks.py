"""The catalogue of models and recipes."""

from collections.abc import Callable
from typing import Any

from bloodcell.printed.numbers import share
from bloodcell.printed.tables import print_table


def print_networks(entries: list[dict[str, Any]]) -> None:
    """Print what the catalogue says of models or recipes, one a row."""
    shown: dict[str, tuple[str, Callable[[Any], str]]] = {
        "input_px": ("input px", str),
        "parameters": ("parameters", lambda value: f"{value / 1e6:.2f} M"),
        "gmacs": ("GMACs", lambda value: f"{value:.2f}"),
        "cells_per_s": ("cells/s here", lambda value: f"{value:.0f}"),
        "blast_auroc_held_out": ("blast AUROC, held out", share),
    }
    header = tuple(shown[key][0] if key in shown else key for key in entries[0])
    rows = [
        tuple(shown[key][1](value) if key in shown else value for key, value in entry.items())
        for entry in entries
    ]
    print_table(header, rows)
