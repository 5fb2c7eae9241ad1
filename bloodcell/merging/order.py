"""Where the cells of several runs lie below one folder, and in which order a merged run has them.

The order depends on the runs alone, not on how they are named on the command line. Of patients'
folders and shards it is that of listing the folder that holds them all; manifests follow each
other by their names. All arithmetic of paths is in ``Layout``, ``common_folder`` and ``from_root``,
on text: an input may be a URL.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bloodcell.engine.names import bytes_of
from bloodcell.errors import RunError
from bloodcell.input.listing import TABLE_SUFFIXES, is_archive
from bloodcell.merging.sources import Source

_ABSOLUTE = r"^/|^[a-z][a-z0-9+.-]*://"


@dataclass(frozen=True)
class Stretch:
    """Rows of one run, one after the other, that stay so in the merged run."""

    source: int
    """Which of the runs, as they were given."""
    first_row: int
    """In that run."""
    rows: int


@dataclass(frozen=True)
class Layout:
    """How a run's paths start."""

    root: str
    """The folder that they start from, as the merged run sees it."""
    own_folder: str
    """What they lack: of one patient's folder, whose run has no folder in its paths, its name."""
    is_table: bool
    """Whether the run is of a manifest, whose order is its own."""


@dataclass(frozen=True)
class MergedOrder:
    """The rows of a merged run."""

    folder: str
    """What their paths start from: the merged run's input."""
    prefixes: list[str]
    """Of each run's paths, from there."""
    stretches: list[Stretch]


def order_of(sources: Sequence[Source]) -> MergedOrder:
    """How ``sources`` follow each other; RunError if two have cells of one folder or shard."""
    layouts = [_layout_of(source) for source in sources]
    folder = common_folder([layout.root for layout in layouts])
    entries = [
        entry
        for at, (source, layout) in enumerate(zip(sources, layouts, strict=True))
        for entry in _entries_of(source, layout, at)
    ]
    entries.sort(key=lambda entry: (entry.place, entry.first_path))
    for one, other in pairwise(entries):
        if one.place == other.place and one.is_listed and other.is_listed:
            folders = " and ".join(str(sources[e.stretch.source].run.folder) for e in (one, other))
            raise RunError(
                f"{folders} both have cells of {'/'.join(one.place)}: a run of all of them is "
                "made by scoring, or cells would count twice"
            )
    prefixes = [_below(layout.root, folder) + layout.own_folder for layout in layouts]
    return MergedOrder(folder, prefixes, list(_joined(entry.stretch for entry in entries)))


def common_folder(roots: Sequence[str]) -> str:
    """The deepest folder that holds all; RunError for stores that have none in common."""
    parts = [root.rstrip("/").split("/") for root in roots]
    alike = takewhile(lambda level: len(set(level)) == 1, zip(*parts, strict=False))
    shared = [level[0] for level in alike]
    # Of a URL, scheme and host at least: s3:, nothing, the bucket.
    if shared[:1] != [""] and len(shared) < 3:
        raise RunError(
            f"the runs' inputs have no folder in common: {', '.join(sorted(set(roots)))}"
        )
    return "/".join(shared) or "/"


def from_root(paths: pa.Array | pa.ChunkedArray, prefix: str) -> pa.Array | pa.ChunkedArray:
    """``paths`` (string) from the common folder on; absolute ones, and nulls, stay."""
    if not prefix:
        return paths
    longer = pc.binary_join_element_wise(prefix, paths, "")
    return pc.if_else(pc.match_substring_regex(paths, _ABSOLUTE), paths, longer)


def _below(root: str, folder: str) -> str:
    """What leads from ``folder`` to ``root`` in it, with a slash behind; "" if it is the same."""
    rest = root[len(folder) :].strip("/")
    return f"{rest}/" if rest else ""


def _layout_of(source: Source) -> Layout:
    given = source.run.record.job.input
    parent, _, name = given.rstrip("/").rpartition("/")
    is_table, is_file = name.lower().endswith(TABLE_SUFFIXES), is_archive(name)
    # A folder may be called like a file.
    if (is_table or is_file) and not Path(os.fsdecode(bytes_of(given))).is_dir():
        return Layout(parent or "/", "", is_table)
    if _is_one_patients(source, name):
        return Layout(parent or "/", f"{name}/", is_table=False)
    return Layout(given, "", is_table=False)


def _is_one_patients(source: Source, name: str) -> bool:
    """Whether a folder that was given holds images, and so is a patient's."""
    if source.has_shards:
        return False
    first = source.store.rows_of(0).slice(0, 1).to_pylist()[0]
    return "/" not in first["path"] and first["patient"] == name


@dataclass(frozen=True)
class _Entry:
    """Cells that stay together: of a patient's folder, a shard or a manifest."""

    stretch: Stretch
    place: tuple[str, ...]
    """Its path, as listing compares names."""
    is_listed: bool
    first_path: str = ""
    """Of a manifest: tells it from another one that was of the same name."""


def _entries_of(source: Source, layout: Layout, at: int) -> list[_Entry]:
    whole = Stretch(at, 0, source.run.counts.cells)
    root = layout.root.rstrip("/")
    if layout.own_folder:
        return [_Entry(whole, _place(f"{root}/{layout.own_folder.rstrip('/')}"), is_listed=True)]
    if not layout.is_table:
        entries, row = [], 0
        for name, rows in _folders_or_shards(source):
            entries.append(_Entry(Stretch(at, row, rows), _place(f"{root}/{name}"), is_listed=True))
            row += rows
        if all(one.place < next_.place for one, next_ in pairwise(entries)):
            return entries
    # A manifest, or runs of manifests that were merged: its own order stays.
    first_path = source.store.rows_of(0)["path"][0].as_py()
    given = source.run.record.job.input
    return [_Entry(whole, _place(given), is_listed=False, first_path=first_path)]


def _place(path: str) -> tuple[str, ...]:
    return tuple(os.fsdecode(bytes_of(part)) for part in path.split("/"))


def _folders_or_shards(source: Source) -> Iterator[tuple[str, int]]:
    """Each in turn, with how many rows it has."""
    column = "shard" if source.has_shards else "path"
    last, count = "", 0
    with pq.ParquetFile(source.store.manifest_path) as file:
        for batch in file.iter_batches(columns=[column]):
            names = batch[column]
            if column == "path":
                names = pc.replace_substring_regex(names, "(?s)/.*", "")
            encoded, begin = pc.run_end_encode(names), 0
            ends = encoded.run_ends.to_pylist()
            for name, end in zip(encoded.values.to_pylist(), ends, strict=True):
                if name != last and count:
                    yield last, count
                    count = 0
                last, count, begin = name, count + end - begin, end
    yield last, count


def _joined(stretches: Iterator[Stretch]) -> Iterator[Stretch]:
    """Those that follow each other in one run as one."""
    last = next(stretches)
    for stretch in stretches:
        if (stretch.source, stretch.first_row) == (last.source, last.first_row + last.rows):
            last = replace(last, rows=last.rows + stretch.rows)
        else:
            yield last
            last = stretch
    yield last
