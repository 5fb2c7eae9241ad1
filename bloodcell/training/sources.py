"""Labelled cells of several sources: read once, each label made a set of the scheme's classes."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from bloodcell.engine.names import spelling
from bloodcell.engine.source import batches_of, read_files
from bloodcell.errors import InputError
from bloodcell.folds import fold_of_patients
from bloodcell.input.listing import is_archive
from bloodcell.input.manifest import freeze_manifest, root_of
from bloodcell.labels import read_labels
from bloodcell.training.recipe import Source

KEPT_FOLD = -1
"""Of cells that no network learns from."""
NO_FOLD = -2
"""Of cells that all networks learn from."""

_KEPT_OF = 5
_BATCH = 64


@dataclass(frozen=True)
class SourceCells:
    """The N labelled cells of one source."""

    name: str
    root: Path
    """Where the paths of ``images`` start."""
    images: pa.Table
    """``row`` and ``path``, of shards their ranges too, as ``read_files`` takes them."""
    labels: npt.NDArray[np.str_]
    """(N,), as the source has them."""
    patients: npt.NDArray[np.str_]
    """(N,), empty names where the source states none."""
    classes: dict[str, tuple[str, ...]]
    """The codes of the scheme that each label stands for."""
    tells: tuple[str, ...]
    """The codes that its labels tell apart."""


def read_source(source: Source, data: Path, codes: list[str]) -> SourceCells:
    """Read the labels of ``source``, whose paths are relative to ``data``.

    Raises InputError if labels or images cannot be read, labels have no image in a manifest or
    shard, or name a class that is neither in ``codes`` nor mapped to some.
    """
    rows = read_labels(data / source.labels, ("path", "class"))
    mapped = {label: (to,) if isinstance(to, str) else to for label, to in source.classes.items()}
    classes = {row["class"]: mapped.get(row["class"], (row["class"],)) for row in rows}
    tells = source.tells or tuple(codes)
    _check_codes(source, mapped, codes)
    unknown = sorted({code for to in classes.values() for code in to} - set(codes))
    if unknown:
        raise InputError(
            f"{data / source.labels} has classes that the scheme does not know: {unknown}"
        )
    untold = sorted(label for label, to in classes.items() if not set(to) <= set(tells))
    if untold:
        raise InputError(
            f"source {source.name!r}: `tells` lacks the classes of its labels {untold}"
        )
    rows = [row for row in rows if classes[row["class"]]]
    root, images, patients = _images(data / source.images, rows, source)
    return SourceCells(
        source.name, root, images, np.array([row["class"] for row in rows]), patients,
        {label: to for label, to in classes.items() if to}, tells,
    )  # fmt: skip


def _check_codes(source: Source, mapped: dict[str, tuple[str, ...]], codes: list[str]) -> None:
    """InputError naming the recipe's entry if it names a class that is none of ``codes``."""
    entries = [("`tells`", source.tells)]
    entries += [(f"[source.classes] {label!r}", to) for label, to in mapped.items()]
    for entry, named in entries:
        if unknown := sorted(set(named) - set(codes)):
            raise InputError(
                f"the recipe's source {source.name!r}: {entry} names classes that the scheme does "
                f"not know: {unknown}"
            )


def _images(
    images: Path, rows: list[dict[str, str]], source: Source
) -> tuple[Path, pa.Table, npt.NDArray[np.str_]]:
    """Root, table of images and patients of the labels ``rows``, in their order."""
    patients = [row.get("patient", "") for row in rows]
    if images.is_dir() and not any(is_archive(name) for name in os.listdir(images)):  # noqa: PTH208
        paths = [row["path"] for row in rows]
        table = pa.table({"path": paths})
        return images.resolve(), _numbered(table), np.array(patients)
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "manifest.parquet"
        freeze_manifest(images, manifest, rows_per_group=65536)
        listed = pq.read_table(manifest)
    place = {spelling(path): row for row, path in enumerate(listed["path"].to_pylist())}
    try:
        chosen = [place[spelling(row["path"])] for row in rows]
    except KeyError as missing:
        raise InputError(
            f"source {source.name!r}: {images} has no image {missing}, which {source.labels} labels"
        ) from None
    table = listed.take(chosen)
    stated = [
        own or whose for own, whose in zip(patients, table["patient"].to_pylist(), strict=True)
    ]
    return root_of(images), _numbered(table.drop_columns(["row", "patient"])), np.array(stated)


def _numbered(table: pa.Table) -> pa.Table:
    return table.add_column(0, "row", pa.array(np.arange(table.num_rows)))


def deal_patients(
    patients: npt.NDArray[np.str_], is_blast: npt.NDArray[np.bool_], folds: int
) -> npt.NDArray[np.int64]:
    """Deal whole patients to folds; the fold of each cell, int64 (N,), 0 to ``folds - 1``.

    Raises InputError if there are fewer patients than ``folds``, or a cell has none.
    """
    names, number = np.unique(patients, return_inverse=True)
    if "" in names:
        raise InputError("the labels of the source that is judged need a patient for every cell")
    if len(names) < folds:
        raise InputError(
            f"{folds} folds need at least {folds} patients, the labels have {len(names)}: label "
            "more patients or ask for fewer folds"
        )
    cells = np.bincount(number)
    return fold_of_patients(np.bincount(number, is_blast) / cells, folds)[number]


def keep_a_fifth(cells: SourceCells) -> npt.NDArray[np.int64]:
    """``KEPT_FOLD`` for a fifth of the images, chosen by their bytes, ``NO_FOLD`` for the rest.

    By the SHA-1 that git has for a file of these bytes: the same image is kept under any name.
    """
    folds = []
    for encoded in read_files(cells.root, batches_of(cells.images, _BATCH)):
        for begin, end in zip(encoded.offsets[:-1], encoded.offsets[1:], strict=True):
            content = encoded.buffer[begin:end].tobytes()
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
            kept = int(blob.hexdigest()[:4], 16) % _KEPT_OF == 0
            folds.append(KEPT_FOLD if kept else NO_FOLD)
    return np.array(folds, np.int64)
