"""CSV as spreadsheets and programs write it: read right, or refused with what to do."""

import csv
import io
import itertools
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from bloodcell.engine.object_store import Place
from bloodcell.errors import InputError
from bloodcell.input.csv_header import encoding_of, read_header, refusing

_ROWS_PER_BATCH = 8192
_BYTES_AT_ONCE = 1 << 22


@contextmanager
def open_csv(
    path: Place, needed: Collection[str]
) -> Iterator[tuple[list[str], Iterator[pa.RecordBatch]]]:
    """The header of a CSV, and batches of its rows: all columns string, each field as it is there.

    UTF-8 or, with a byte order mark, UTF-16; fields are divided by comma, semicolon or tab,
    whichever gives the header most of the columns ``needed``. Empty lines are passed over. Raises
    OSError, and InputError, also while rows are read, for what is not so, lacks a column or has it
    twice, or does not add up.
    """
    encoding = encoding_of(path)
    with path.open(encoding=encoding, newline="") as file, path.open("rb") as binary:
        head, delimiter, columns, reader = read_header(path, file, needed)
        rows = _Rows(path, columns, delimiter)
        if encoding == "utf-8-sig" and '"' not in head and head.endswith("\n"):
            binary.readline()
            yield columns, rows.behind_header(binary)
        else:
            yield columns, rows.strictly(reader)


class _Rows:
    """Reads the rows behind the header: Arrow what is plain, Python's csv from there on."""

    def __init__(self, path: Place, columns: list[str], delimiter: str) -> None:
        self._path, self._columns, self._delimiter = path, columns, delimiter
        self._lines, self._rows = 0, 1

    def behind_header(self, file: BinaryIO) -> Iterator[pa.RecordBatch]:
        """Batches of the rows, in UTF-8, from where ``file`` stands, behind the first line."""
        self._lines, at = 1, file.tell()
        while content := file.read(_BYTES_AT_ONCE):
            content += file.readline()
            table = self._table_of(content) if _is_plain(content) else None
            if table is None:
                file.seek(at)
                with io.TextIOWrapper(file, "utf-8", newline="") as text:
                    reader = csv.reader(text, delimiter=self._delimiter, strict=True)
                    yield from self.strictly(reader)
                return
            yield from table.to_batches()
            self._lines += content.count(b"\n")
            self._rows += table.num_rows
            at += len(content)

    def _table_of(self, content: bytes) -> pa.Table | None:
        """Rows of plain lines; None where something is not as it should be."""
        names = [str(place) for place in range(len(self._columns))]
        try:
            return arrow_csv.read_csv(
                pa.BufferReader(content),
                arrow_csv.ReadOptions(use_threads=False, column_names=names),
                arrow_csv.ParseOptions(delimiter=self._delimiter, quote_char=False),
                arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
            ).rename_columns(self._columns)
        except pa.ArrowInvalid:
            return None

    def strictly(self, reader: Any) -> Iterator[pa.RecordBatch]:
        """Batches of the rows that ``reader``, a strict one of Python's, has still to read."""
        while True:
            with refusing(self._path, self._lines + reader.line_num):
                block = list(itertools.islice(reader, _ROWS_PER_BATCH))
            if not block:
                return
            if set(map(len, block)) != {len(self._columns)}:
                block = self._without_empty_lines(block)
            self._rows += len(block)
            if block:
                arrays = [pa.array(values, pa.string()) for values in zip(*block, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, self._columns)

    def _without_empty_lines(self, block: list[list[str]]) -> list[list[str]]:
        kept = [row for row in block if row]
        for number, row in enumerate(kept, start=self._rows + 1):
            if len(row) != len(self._columns):
                raise InputError(
                    f"{self._path}, row {number}: {len(row)} fields ({', '.join(row)[:80]}), where "
                    f"the header has {len(self._columns)}. Put a field that has the delimiter in "
                    "it into quotes"
                )
        return kept


def _is_plain(lines: bytes) -> bool:
    """Whether line breaks end lines, and delimiters fields, whoever reads whole ``lines``.

    So without quotes, and without what Python's csv and Arrow could see in two ways.
    """
    if b'"' in lines or b"\0" in lines:
        return False
    if b"\r" in lines and lines.count(b"\r") != lines.count(b"\r\n"):
        return False
    ends = np.flatnonzero(np.frombuffer(lines, np.uint8) == ord("\n"))
    longest = np.diff(ends, prepend=-1, append=len(lines)).max()
    return bool(longest <= csv.field_size_limit())
