"""Tables of labels: one class a path."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bloodcell.engine.names import spelling
from bloodcell.errors import InputError
from bloodcell.input.csv_tables import open_csv


def read_labels(labels_csv: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Read the rows of ``labels_csv``; every one has all of ``columns``, ``path`` among them.

    Raises InputError naming the file if it cannot be read, is empty, lacks a column or a value,
    or labels a path twice, in one spelling or two.
    """
    try:
        with open_csv(labels_csv, columns) as (_, batches):
            rows = [row for batch in batches for row in batch.to_pylist()]
    except OSError as error:
        raise InputError(f"cannot read labels {labels_csv}: {error}") from error
    if not rows:
        raise InputError(f"{labels_csv} holds no labels")
    for number, row in enumerate(rows, start=2):
        if not all(row[column] for column in columns):
            raise InputError(f"{labels_csv}, row {number}: {', '.join(columns)} are all needed")
    twice = len(rows) - len({spelling(row["path"]) for row in rows})
    if twice:
        raise InputError(f"{labels_csv} labels {twice} paths more than once")
    return rows


def read_label_map(map_csv: Path | None, ignored: Sequence[str] = ()) -> dict[str, str]:
    """What labels are to become: the rows ``label``, ``class`` of ``map_csv``.

    An empty class, and being among ``ignored``, means that cells of that label are left out.
    Raises InputError naming the file if it cannot be read or names a label twice.
    """
    left_out = dict.fromkeys(ignored, "")
    if map_csv is None:
        return left_out
    try:
        with open_csv(map_csv, ("label", "class")) as (_, batches):
            pairs = [(row["label"], row["class"]) for batch in batches for row in batch.to_pylist()]
    except OSError as error:
        raise InputError(f"cannot read the label map {map_csv}: {error}") from error
    label_map = dict(pairs)
    if len(label_map) < len(pairs):
        raise InputError(f"{map_csv} names a label more than once")
    return label_map | left_out


def why_unused(labels_csv: Path, label_map: Mapping[str, str]) -> list[str]:
    """A warning of what ``label_map`` names and no label of ``labels_csv`` is called; or none."""
    called = {row["class"] for row in read_labels(labels_csv, ("path", "class"))}
    unused = sorted(set(label_map) - called)
    if not unused:
        return []
    return [
        f"no label of {labels_csv} is called {', '.join(unused)}, as --ignore-class or --label-map "
        f"has it: they are called {', '.join(sorted(called))}"
    ]


def mapped(rows: list[dict[str, str]], label_map: Mapping[str, str]) -> list[dict[str, str]]:
    """The rows with their class as ``label_map`` has it, without those that it leaves out."""
    renamed = (row | {"class": label_map.get(row["class"], row["class"])} for row in rows)
    return [row for row in renamed if row["class"]]
