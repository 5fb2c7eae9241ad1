"""Tables as text, for a terminal of any width; nothing of them is cut."""

import shutil
import sys
import textwrap
from typing import Any

import click
from rich.cells import cell_len

from bloodcell.terminal import printable


def print_table(header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """Print rows under a header; the first column is names, the others are figures.

    Nothing is cut: on a terminal that is too narrow the headings wrap, then a row's name stands on
    a line of its own, and at last each figure does.
    """
    texts = [tuple(printable(value) for value in row) for row in rows]
    room = _columns_of_terminal()
    if fitting := _grid(header, texts, room, has_names=True):
        lines = fitting
    elif fitting := _grid(header[1:], [text[1:] for text in texts], room, has_names=False):
        head = len(fitting) - len(rows)
        lines = [header[0], *fitting[:head]]
        for text, figures in zip(texts, fitting[head:], strict=True):
            lines += [text[0], figures]
    else:
        lines = [
            f"{title}: {cell}" for text in texts for title, cell in zip(header, text, strict=True)
        ]
    click.echo("\n".join(lines))


def _columns_of_terminal() -> int:
    # Piped output is for programs and logs, whose lines may be of any length.
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize


def _grid(
    header: tuple[str, ...], rows: list[tuple[str, ...]], room: int, *, has_names: bool
) -> list[str]:
    """A line a row below the heading, which wraps if need be; nothing if there is no room."""
    for wrapped in (False, True):
        columns = [
            _column(title, [row[place] for row in rows], wrapped, is_left=has_names and place == 0)
            for place, title in enumerate(header)
        ]
        height = max(len(column) for column in columns)
        # Short headings stand right above their figures.
        full = [[" " * cell_len(column[0])] * (height - len(column)) + column for column in columns]
        lines = ["  ".join(cells).rstrip() for cells in zip(*full, strict=True)]
        if max(map(cell_len, lines)) <= room:
            return lines
    return []


def _column(title: str, cells: list[str], wrapped: bool, *, is_left: bool) -> list[str]:
    """The heading, of one line or more, and the cells of a column, all of one width."""
    widest = max([1, *map(cell_len, cells), *map(len, title.split())])
    heading = textwrap.wrap(title, widest) if wrapped else [title]
    width = max([widest, *map(len, heading)])
    blanks = [" " * (width - cell_len(text)) for text in (*heading, *cells)]
    texts = zip((*heading, *cells), blanks, strict=True)
    return [text + blank if is_left else blank + text for text, blank in texts]
