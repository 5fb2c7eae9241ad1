"""Rows of a manifest: each has a path and a patient that a cell can have."""

import logging
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from bloodcell.engine.object_store import ObjectPath, Place
from bloodcell.errors import InputError
from bloodcell.input.first_look import NEEDED
from bloodcell.input.listing import TABLE_SUFFIXES

_LOG = logging.getLogger(__name__)

_OF_WINDOWS = r"^(?:[A-Za-z]:[\\/]|\\\\)"
_NOT_BELOW = r"^/|(?:^|/)\.\.(?:/|$)|^[A-Za-z][A-Za-z0-9+.-]*://"

_LONGEST = 1 << 17
"""Bytes of a name, in whatever it is listed; a CSV's fields have as many letters at most."""


def checked_rows(source: Place, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """``batches`` with ``path`` and ``patient`` as text, in front.

    InputError, naming ``source`` and the place in it, for one that is empty or that no file can
    have. Paths of a table with blanks at their ends are warned of.
    """
    is_table = source.suffix.lower() in TABLE_SUFFIXES
    # As spreadsheets number them: the header of a CSV is row 1.
    first = 2 if source.suffix.lower() == ".csv" else 1
    blanks = _Blanks()
    for batch in batches:
        columns = {name: pc.cast(batch[name], pa.string()) for name in NEEDED}
        _refuse_what_no_cell_has(source, first, columns)
        if is_table:
            blanks.add(columns["path"])
        first += batch.num_rows
        for name in batch.schema.names:
            columns.setdefault(name, batch[name])
        yield pa.record_batch(columns)
    blanks.warn(source)


def _refuse_what_no_cell_has(source: Place, first: int, columns: dict[str, pa.Array]) -> None:
    for name, column in columns.items():
        column.validate(full=True)
        is_empty = pc.or_kleene(pc.is_null(column), pc.equal(column, ""))
        if pc.any(is_empty).as_py():
            place = is_empty.index(pa.scalar(True)).as_py()
            other = next(one for one in NEEDED if one != name)
            raise InputError(
                f"{source}, row {first + place} ({other} {columns[other][place].as_py()!r}) has an "
                f"empty {name!r}: each cell needs one"
            )
        has_nul = pc.match_substring(column, "\0")
        if pc.any(has_nul).as_py():
            raise InputError(
                f"{source}, row {first + has_nul.index(pa.scalar(True)).as_py()} has a NUL byte in "
                f"{name!r}: no file has that name"
            )
        is_long = pc.greater(pc.binary_length(column), _LONGEST)
        if pc.any(is_long).as_py():
            raise InputError(
                f"{source}, row {first + is_long.index(pa.scalar(True)).as_py()} has a {name!r} of "
                f"more than {_LONGEST} bytes: no name is that long"
            )
    _refuse_paths_that_lead_elsewhere(source, columns["path"])


def _refuse_paths_that_lead_elsewhere(source: Place, paths: pa.Array) -> None:
    if isinstance(source, ObjectPath):
        absolute = paths.filter(pc.match_substring_regex(paths, _NOT_BELOW))
        if len(absolute):
            raise InputError(
                f"{source} lists {absolute[0]}: paths are relative to the manifest, and below it"
            )
    windows = paths.filter(pc.match_substring_regex(paths, _OF_WINDOWS))
    if len(windows):
        raise InputError(
            f"{source} lists {windows[0]}, an absolute path of Windows: paths are relative to the "
            "manifest"
        )


class _Blanks:
    """Counts paths with a blank at an end, which few files have and no editor shows."""

    def __init__(self) -> None:
        self._paths, self._first = 0, ""

    def add(self, paths: pa.Array) -> None:
        trimmed = pc.utf8_trim_whitespace(paths)
        if trimmed.equals(paths):
            return
        odd = paths.filter(pc.not_equal(trimmed, paths))
        self._first = self._first or odd[0].as_py()
        self._paths += len(odd)

    def warn(self, source: Place) -> None:
        if self._paths:
            _LOG.warning(
                "%d paths in %s begin or end with a blank, the first is %r: where the file's name "
                "has none, the cell is missing",
                self._paths, source, self._first,
            )  # fmt: skip
