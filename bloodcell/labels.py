"""Tables of labels: one class a path."""

from pathlib import Path

from bloodcell.csv_tables import open_csv
from bloodcell.engine.names import spelling
from bloodcell.errors import InputError


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
