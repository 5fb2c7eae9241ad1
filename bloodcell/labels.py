"""Tables of labels: one class a path."""

import csv
from pathlib import Path

from bloodcell.errors import InputError


def read_labels(labels_csv: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Read the rows of ``labels_csv``; every one has all of ``columns``, ``path`` among them.

    Raises InputError naming the file if it cannot be read, is empty, lacks a column or a value,
    or labels a path twice.
    """
    try:
        with labels_csv.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            lacking = sorted(set(columns) - set(reader.fieldnames or []))
            if lacking:
                raise InputError(f"{labels_csv} lacks the columns {lacking}")
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read labels {labels_csv}: {error}") from error
    if not rows:
        raise InputError(f"{labels_csv} holds no labels")
    for line, row in enumerate(rows, start=2):
        if not all(row[column] for column in columns):
            raise InputError(f"{labels_csv}, line {line}: {', '.join(columns)} are all needed")
    twice = len(rows) - len({row["path"] for row in rows})
    if twice:
        raise InputError(f"{labels_csv} labels {twice} paths more than once")
    return rows
