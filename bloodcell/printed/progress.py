"""How far a command is."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_LINE_EVERY_S = 10.0


@contextmanager
def progress_shown(what: str, unit: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, a line every ten seconds elsewhere; both on standard error."""
    if quiet:
        yield lambda _done, _total: None
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _LineProgress(what, unit)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class _LineProgress:
    def __init__(self, what: str, unit: str) -> None:
        self._what, self._unit = what, unit
        self._last = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done < total and now - self._last < _LINE_EVERY_S:
            return
        self._last = now
        click.echo(f"{self._what}: {done} of {total} {self._unit}", err=True)
