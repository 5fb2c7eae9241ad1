"""Labelled cells for training: read once, decoded once by the scoring graph, kept in memory."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from bloodcell._core import REASONS
from bloodcell.engine.decode import Decoder
from bloodcell.engine.names import text_of
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.engine.source import batches_of, read_files
from bloodcell.errors import InputError
from bloodcell.folds import fold_of_patients
from bloodcell.labels import read_labels

_BATCH = 64


@dataclass(frozen=True)
class LabelledCells:
    """Absolute paths, class index int64 (N,) and patient name of each of N cells."""

    paths: list[str]
    labels: npt.NDArray[np.int64]
    patients: npt.NDArray[np.str_]


def labelled_cells(folder: Path, labels_csv: Path, classes: list[str]) -> LabelledCells:
    """Read ``path,patient,class`` rows; paths are relative to ``folder``.

    Raises InputError if the labels cannot be read or have a class that is not in ``classes``.
    """
    rows = read_labels(labels_csv, ("path", "patient", "class"))
    unknown = sorted({row["class"] for row in rows} - set(classes))
    if unknown:
        raise InputError(f"{labels_csv} has classes that the scheme does not know: {unknown}")
    root = text_of(folder.resolve())
    return LabelledCells(
        paths=[os.path.join(root, row["path"]) for row in rows],  # noqa: PTH118 - names as text
        labels=np.array([classes.index(row["class"]) for row in rows], np.int64),
        patients=np.array([row["patient"] for row in rows]),
    )


def deal_patients(cells: LabelledCells, folds: int, blast_index: int) -> npt.NDArray[np.int64]:
    """Deal whole patients to folds; the fold of each cell, int64 (N,), 0 to ``folds - 1``.

    Raises InputError if there are fewer patients than ``folds``.
    """
    names, number = np.unique(cells.patients, return_inverse=True)
    if len(names) < folds:
        raise InputError(
            f"{folds} folds need at least {folds} patients, the labels have {len(names)}: label "
            "more patients or ask for fewer folds"
        )
    is_blast = cells.labels == blast_index
    blast_share = np.array([is_blast[cells.patients == name].mean() for name in names])
    return fold_of_patients(blast_share, folds)[number]


def decode_all(
    cells: LabelledCells,
    preprocessing: Preprocessing,
    threads: int,
    dtype: torch.dtype = torch.float32,
) -> torch.Tensor:
    """Read, gate and decode as scoring does: (N, 3, input_px, input_px), bit-equal in float32.

    Raises InputError naming the first image that scoring would reject, and why.
    """
    decoder = Decoder(preprocessing, batch_size=_BATCH, threads=threads)
    side = preprocessing.input_px
    out = torch.empty(len(cells.paths), 3, side, side, dtype=dtype)
    table = pa.table({"row": np.arange(len(cells.paths)), "path": cells.paths})
    for encoded in read_files(Path("/"), batches_of(table, _BATCH)):
        images = decoder.decode_batch(encoded)
        if images.reasons.any():
            bad = int(images.reasons.argmax())
            raise InputError(
                f"training image {cells.paths[images.rows[bad]]} would be rejected: "
                f"{REASONS[images.reasons[bad]]}"
            )
        first = int(images.rows[0])
        out[first : first + len(images.rows)] = torch.from_numpy(images.pixels)
    return out
