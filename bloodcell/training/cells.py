"""Labelled cells for training: read once, decoded once by the scoring graph, kept in memory."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from bloodcell._core import REASONS
from bloodcell.engine.decode import Decoder
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.engine.source import read_files
from bloodcell.errors import InputError
from bloodcell.labels import read_labels

_BATCH = 64


@dataclass(frozen=True)
class LabelledCells:
    """Absolute paths, class index int64 (N,) and patient name of each of N cells."""

    paths: list[str]
    labels: np.ndarray
    patients: np.ndarray


def labelled_cells(folder: Path, labels_csv: Path, classes: list[str]) -> LabelledCells:
    """Read ``path,patient,class`` rows; paths are relative to ``folder``.

    Raises InputError if the labels cannot be read or have a class that is not in ``classes``.
    """
    rows = read_labels(labels_csv, ("path", "patient", "class"))
    unknown = sorted({row["class"] for row in rows} - set(classes))
    if unknown:
        raise InputError(f"{labels_csv} has classes that the scheme does not know: {unknown}")
    return LabelledCells(
        paths=[str(folder.resolve() / row["path"]) for row in rows],
        labels=np.array([classes.index(row["class"]) for row in rows], np.int64),
        patients=np.array([row["patient"] for row in rows]),
    )


def hold_out_patients(
    cells: LabelledCells, share: float, blast_index: int, seed: int
) -> np.ndarray:
    """Choose whole patients for validation; bool (N,), true for their cells.

    Patients are drawn evenly over the order of their blast share, so that the held-out part
    holds patients with few and with many blasts.
    """
    names = np.unique(cells.patients)
    is_blast = cells.labels == blast_index
    blast_share = [float(is_blast[cells.patients == name].mean()) for name in names]
    order = np.argsort(blast_share, kind="stable")
    step = max(2, round(1 / share))
    start = int(np.random.default_rng(seed).integers(min(step, len(names))))
    return np.isin(cells.patients, names[order[start::step]])


def decode_all(cells: LabelledCells, preprocessing: Preprocessing, threads: int) -> torch.Tensor:
    """Read, gate and decode as scoring does: float16 (N, 3, input_px, input_px).

    Raises InputError naming the first image that scoring would reject, and why.
    """
    decoder = Decoder(preprocessing, batch_size=_BATCH, threads=threads)
    side = preprocessing.input_px
    out = torch.empty(len(cells.paths), 3, side, side, dtype=torch.float16)
    table = pa.table({"row": np.arange(len(cells.paths)), "path": cells.paths})
    for encoded in read_files(Path("/"), [table], _BATCH):
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


def whole_image(preprocessing: Preprocessing) -> Preprocessing:
    """The same pixels with their surroundings: the canvas that augmentation cuts views from."""
    side = round(preprocessing.input_px / preprocessing.region)
    return replace(preprocessing, input_px=side, region=1.0)
