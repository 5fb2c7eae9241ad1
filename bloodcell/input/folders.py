"""Folders of images: one subfolder a patient, and every file in it a cell."""

import errno
import logging
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from bloodcell.engine import object_listing
from bloodcell.engine.names import bytes_of, spelling, text_of
from bloodcell.engine.object_store import ObjectPath, Place
from bloodcell.errors import InputError
from bloodcell.input.listing import (
    LeftOut,
    is_archive,
    may_all_be_cells,
    refuse_beside,
    warn_of_what_may_hold_cells,
    why_no_cell,
)
from bloodcell.input.shards import list_shards, refuse_second_way

_LOG = logging.getLogger(__name__)


def list_folder(folder: Place, left_out: LeftOut) -> Iterator[pa.RecordBatch]:
    """The cells in ``folder``: of its shards if it has some, else of its patients' folders.

    Columns as of ``list_shards``, or ``path`` and ``patient`` (string) alone. What is no cell is
    counted in ``left_out``. Raises InputError for what would be miscounted, OSError for what cannot
    be listed.
    """
    folders, files = _entries_of(folder, left_out)
    refuse_beside(folder, folders, files)
    if shards := [name for name in files if is_archive(name)]:
        warn_of_what_may_hold_cells(folder, [name for name in files if name not in shards])
        return list_shards(folder, shards, left_out)
    if not folders:
        return _list_one_patient(folder)
    _warn_of_what_lies_beside_patients(folder, files)
    return _list_patients(folder, folders, left_out)


def _entries_of(folder: Place, left_out: LeftOut) -> tuple[list[str], list[str]]:
    """Names of the folders and of the other entries in ``folder``, each sorted."""
    if isinstance(folder, ObjectPath):
        return _objects_of(folder, left_out)
    folders: list[str] = []
    files: list[str] = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if why := why_no_cell(entry.name):
            left_out.note_entry(why, folder / entry.name)
        else:
            (folders if _is_folder(entry) else files).append(entry.name)
    return folders, files


def _objects_of(folder: ObjectPath, left_out: LeftOut) -> tuple[list[str], list[str]]:
    folders, files = object_listing.level(folder)
    for name in folders:
        if why := why_no_cell(name):
            left_out.note_objects(why, folder / name)
    for name in files:
        if why := why_no_cell(name):
            left_out.note(why)
    return (
        [name for name in folders if not why_no_cell(name)],
        [name for name in files if not why_no_cell(name)],
    )


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link to itself, which leads to no folder
            return False
        raise


def _warn_of_what_lies_beside_patients(folder: Place, files: list[str]) -> None:
    warn_of_what_may_hold_cells(folder, files)
    if isinstance(folder, ObjectPath):
        return
    if broken := [name for name in files if not os.path.exists(folder / name)]:  # noqa: PTH110 - never raises
        _LOG.warning(
            "%s holds %d links that lead nowhere: if they are patients, their cells are not in the "
            "run", folder, len(broken),
        )  # fmt: skip


def _list_one_patient(folder: Place) -> Iterator[pa.RecordBatch]:
    # What is left out of it was counted when its entries were looked at.
    ((_, paths),) = _paths_of_patients(folder, [""], LeftOut())
    # A zip of Windows, unpacked by a program that takes \ for a letter.
    if flat := [path for path in paths if "\\" in path and b"\\" in bytes_of(path)]:
        raise InputError(
            f"{folder} holds {len(flat)} files with a backslash in their names ({flat[0]}, ...): "
            "they may be of several patients. Make folders of what stands before the backslash"
        )
    _refuse_alike(folder, paths)
    name = folder.name if isinstance(folder, ObjectPath) else folder.resolve().name
    yield _batch_of(name, paths)


def _list_patients(
    folder: Place, patients: list[str], left_out: LeftOut
) -> Iterator[pa.RecordBatch]:
    empty = 0
    for name, paths in _paths_of_patients(folder, patients, left_out):
        empty += not paths
        _refuse_alike(folder, paths)
        yield _batch_of(name, paths)
    if empty:
        _LOG.warning(
            "%d folders in %s are empty: these patients do not appear in the run", empty, folder
        )


def _paths_of_patients(
    folder: Place, patients: list[str], left_out: LeftOut
) -> Iterator[tuple[str, list[str]]]:
    """Each patient, and its sorted paths below ``folder``; "" is the folder itself."""
    prefixes = [text_of(name) + "/" if name else "" for name in patients]
    if isinstance(folder, ObjectPath):
        below = object_listing.files_below([folder / name if name else folder for name in patients])
        for name, prefix, keys in zip(patients, prefixes, below, strict=True):
            yield name, sorted(_texts_of(prefix, _cells_among(keys, left_out)))
        return
    seen: set[tuple[int, int]] = set()
    for name, prefix in zip(patients, prefixes, strict=True):
        yield name, sorted(_files_below(folder / name, prefix, seen, left_out))


def _cells_among(keys: list[str], left_out: LeftOut) -> list[str]:
    """Those of which neither the name nor a folder's on the way says that they are none."""
    if may_all_be_cells("/".join(keys).split("/")):
        return keys
    kept = []
    for key in keys:
        reasons = (why for part in key.split("/") if (why := why_no_cell(part)))
        if why := next(reasons, None):
            left_out.note(why)
        else:
            kept.append(key)
    return kept


def _refuse_alike(folder: Place, paths: list[str]) -> None:
    """InputError for two names that are one to the eye, and to labels."""
    joined = "".join(paths)
    is_odd = not joined.isascii() or "\\" in joined
    if is_odd and len({spelling(path) for path in paths}) < len(paths):
        path, _ = Counter(map(spelling, paths)).most_common(1)[0]
        raise InputError(
            f"{folder} holds {path} in two spellings (letters composed or not, \\ for /), of which "
            "labels and people could not tell which is meant: rename one"
        )


def _files_below(
    folder: Path, prefix: str, seen: set[tuple[int, int]], left_out: LeftOut
) -> Iterator[str]:
    """Every file at any depth that may be a cell; what is no image becomes a rejected row.

    ``prefix`` is the folder's own path below the input. A folder reached a second time, through a
    link, would count its cells twice: InputError.
    """

    def fail(error: OSError) -> None:
        raise error

    start = len(os.fspath(folder)) + 1
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=fail):
        refuse_second_way(Path(parent), "folder", seen)
        below = parent[start:]
        path = f"{prefix}{text_of(below)}/" if below else prefix
        for name in [name for name in folders if why_no_cell(name)]:
            left_out.note_entry(why_no_cell(name) or "", Path(parent, name))
            folders.remove(name)
        if not may_all_be_cells(files):
            for name in files:
                if why := why_no_cell(name):
                    left_out.note(why)
            files = [name for name in files if not why_no_cell(name)]  # noqa: PLW2901
        yield from _texts_of(path, files)


def _texts_of(path: str, files: list[str]) -> list[str]:
    joined = "".join(files)
    if joined.isascii() and "\\" not in joined:
        return [path + name for name in files]
    return [path + text_of(name) for name in files]


def _batch_of(patient: str, paths: list[str]) -> pa.RecordBatch:
    names = pa.repeat(pa.scalar(text_of(patient), pa.string()), len(paths))
    return pa.record_batch({"path": pa.array(paths, pa.string()), "patient": names})
