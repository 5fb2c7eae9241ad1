"""Options of commands that hold a run against labels."""

from collections.abc import Callable
from typing import Any

import click

from bloodcell.run_argument import PathArgument


def label_map_options(body: Callable[..., Any]) -> Callable[..., Any]:
    """What labels are called here, and which are left out; see ``labels.read_label_map``."""
    for option in (
        click.option("--ignore-class", multiple=True, help="Leave out cells of that label."),
        click.option(
            "--label-map", type=PathArgument(),
            help="CSV with label and class: what labels are here; an empty class leaves them out.",
        ),
    ):  # fmt: skip
        body = option(body)
    return body
