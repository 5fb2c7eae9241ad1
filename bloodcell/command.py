"""What every command of the command line shares: its options, its errors, what it shows."""

import logging
import math
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Any

import click

from bloodcell.errors import BloodcellError
from bloodcell.run_argument import local_runs
from bloodcell.system_limits import advice_for
from bloodcell.terminal import log_lines, printable


@dataclass(frozen=True)
class Shown:
    """What a command has come to: for machines, and how it is printed for people."""

    content: Any
    show: Callable[[], None]
    warnings: Sequence[str] = ()
    exit_status: int = 0


def command(
    body: Callable[..., Shown] | None = None, *, log_level: int = logging.WARNING
) -> Callable[..., Any]:
    """What all commands share: --json, -q, -v, and errors as one line with their exit status."""
    if body is None:
        return partial(command, log_level=log_level)

    @click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
    @click.option("-q", "--quiet", is_flag=True, help="Print warnings and errors alone.")
    @click.option("-v", "--verbose", is_flag=True, help="Log what is done, too.")
    @wraps(body)
    def run(*, as_json: bool, quiet: bool, verbose: bool, **options: Any) -> None:
        log_lines(logging.INFO if verbose else logging.WARNING if quiet else log_level)
        with ExitStack() as at_end:
            try:
                with local_runs(options, at_end) as local_options:
                    shown = body(**local_options)
            except Exception as error:
                click.echo(f"bloodcell: {printable(_told(error))}", err=True)
                sys.exit(getattr(error, "exit_status", BloodcellError.exit_status))
            if as_json:
                from bloodcell.printed.values import print_json

                print_json(shown.content)
            elif not quiet:
                shown.show()
            for warning in shown.warnings:
                click.echo(f"bloodcell: {printable(warning)}", err=True)
            sys.exit(shown.exit_status)

    return run


def _told(error: Exception) -> str:
    """The line for an error that is of the tree, or of the system; else it is raised again.

    An OSError: a full disk or a forbidden folder where no better message is known.
    """
    advice = advice_for(error)
    if not advice and not isinstance(error, BloodcellError | OSError):
        raise error
    message = str(error) or type(error).__name__
    return f"{message}. {advice}" if advice else message


def pairs(named: dict[str, Any]) -> Shown:
    """Names and values, one a line."""
    from bloodcell.printed.values import print_pairs

    return Shown(
        {key: str(value) if isinstance(value, Path) else value for key, value in named.items()},
        lambda: print_pairs(named),
    )


def progress_of(what: str, unit: str) -> AbstractContextManager[Callable[[int, int], None]]:
    """Where progress may be told while a command runs; silent if that is to be quiet."""
    from bloodcell.printed.progress import progress_shown

    return progress_shown(what, unit, quiet=click.get_current_context().params["quiet"])


class FiniteRange(click.FloatRange):
    """As ``FloatRange``, which takes NaN for a number of every range."""

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """See click's ``ParamType``."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number
