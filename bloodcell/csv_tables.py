"""CSV as spreadsheets and programs write it: read right, or refused with what to do."""

import codecs
import csv
import itertools
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bloodcell.errors import InputError

_DELIMITERS = (",", ";", "\t")
_ROWS_PER_BLOCK = 8192

Block = list[list[str]]


@contextmanager
def open_csv(path: Path, needed: Collection[str]) -> Iterator[tuple[list[str], Iterator[Block]]]:
    """The header of a CSV, and blocks of its rows, which have a field for each column.

    UTF-8 or, with a byte order mark, UTF-16; fields are divided by comma, semicolon or tab,
    whichever gives the header most of the columns ``needed``. Empty lines are passed over. Raises
    OSError, and InputError, also while rows are read, for what is not so, lacks a column or has it
    twice, or does not add up.
    """
    with path.open(encoding=_encoding_of(path), newline="") as file:
        with _refusing(path, 1):
            head = next(file, "")
            delimiter = max(_DELIMITERS, key=lambda one: len(_header_of(head, one) & set(needed)))
            reader = csv.reader(itertools.chain([head], file), delimiter=delimiter, strict=True)
            columns = next(reader)
        _check_columns(path, columns, needed)
        yield columns, _blocks(path, reader, columns)


def _encoding_of(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(2)
    return "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def _header_of(line: str, delimiter: str) -> set[str]:
    return set(next(csv.reader([line], delimiter=delimiter), []))


def _check_columns(path: Path, columns: list[str], needed: Collection[str]) -> None:
    if any("\0" in name for name in columns):
        raise InputError(f"{path} is no text, or in UTF-16 without its mark: save it as UTF-8")
    if lacking := sorted(set(needed) - set(columns)):
        raise InputError(
            f"{path} lacks the columns {lacking}: it has {columns}. Comma, semicolon or tab "
            "divide them"
        )
    if twice := [name for name in needed if columns.count(name) > 1]:
        raise InputError(f"{path} has the columns {twice} more than once")


def _blocks(path: Path, reader: Any, columns: list[str]) -> Iterator[Block]:
    rows = 1
    while True:
        with _refusing(path, reader.line_num):
            block = list(itertools.islice(reader, _ROWS_PER_BLOCK))
        if not block:
            return
        if set(map(len, block)) != {len(columns)}:
            block = _without_empty_lines(path, block, columns, rows)
        rows += len(block)
        if block:
            yield block


def _without_empty_lines(path: Path, block: Block, columns: list[str], rows: int) -> Block:
    kept = [row for row in block if row]
    for number, row in enumerate(kept, start=rows + 1):
        if len(row) != len(columns):
            raise InputError(
                f"{path}, row {number}: {len(row)} fields ({', '.join(row)[:80]}), where the "
                f"header has {len(columns)}. Put a field that has the delimiter in it into quotes"
            )
    return kept


@contextmanager
def _refusing(path: Path, line: int) -> Iterator[None]:
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
