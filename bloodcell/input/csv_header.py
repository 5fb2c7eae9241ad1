"""The first line of a CSV: its encoding, what divides its fields, its columns; light."""

import codecs
import csv
import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from bloodcell.engine.object_store import Place
from bloodcell.errors import InputError

_DELIMITERS = (",", ";", "\t")


def read_header(
    path: Place, file: TextIO, needed: Collection[str]
) -> tuple[str, str, list[str], Any]:
    """The first line of ``file``, its delimiter, the columns, and a strict reader of the rows.

    Raises InputError if it is none, or lacks a column of ``needed`` or has it twice.
    """
    with refusing(path, 1):
        head = next(file, "")
        delimiter = max(_DELIMITERS, key=lambda one: len(_header_of(head, one) & set(needed)))
        reader = csv.reader(itertools.chain([head], file), delimiter=delimiter, strict=True)
        columns = next(reader)
    _check_columns(path, columns, needed)
    return head, delimiter, columns, reader


def encoding_of(path: Place) -> str:
    """UTF-8, or UTF-16 if its mark says so."""
    with path.open("rb") as file:
        start = file.read(2)
    return "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def _header_of(line: str, delimiter: str) -> set[str]:
    return set(next(csv.reader([line], delimiter=delimiter), []))


def _check_columns(path: Place, columns: list[str], needed: Collection[str]) -> None:
    if any("\0" in name for name in columns):
        raise InputError(f"{path} is no text, or in UTF-16 without its mark: save it as UTF-8")
    if lacking := sorted(set(needed) - set(columns)):
        meant = slip_in(columns, lacking) or "Comma, semicolon or tab divide them"
        raise InputError(f"{path} lacks the columns {lacking}: it has {columns}. {meant}")
    if twice := [name for name in needed if columns.count(name) > 1]:
        raise InputError(f"{path} has the columns {twice} more than once")


def slip_in(columns: Sequence[str], lacking: Collection[str]) -> str:
    """What to mend, where ``columns`` has those that are lacking in another way; "" if not."""
    if columns[:1] and re.fullmatch(r"sep=.?", columns[0]):
        return f"The first line, {columns[0]!r}, is for spreadsheets alone: delete it"
    alike = {name.strip().casefold(): name for name in columns}
    if meant := [name for name in lacking if name in alike]:
        written = ", ".join(f"{alike[name]!r} as {name!r}" for name in meant)
        return f"Names count to the letter, blanks and capitals too: write {written}"
    return ""


@contextmanager
def refusing(path: Place, line: int) -> Iterator[None]:
    """Raise what reading says, from ``line`` on, as an InputError."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8: after line {line} it has the byte "
            f"{error.object[error.start]:#04x}. Save it as UTF-8 (in a spreadsheet: CSV UTF-8)"
        ) from error
    except csv.Error as error:
        raise InputError(
            f"{path} is no whole CSV after line {line}: {error}. A field with quotes in it goes "
            'into quotes, with each of its own doubled ("")'
        ) from error
