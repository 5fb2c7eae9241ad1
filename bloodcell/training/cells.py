"""Labelled cells for training: read once, decoded once by the scoring graph, kept in memory."""

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from bloodcell.engine.decode import Decoder
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.errors import InputError

_BATCH = 64


@dataclass(frozen=True)
class LabelledCells:
    """Paths, class index int64 (N,) and patient name of each of N cells."""

    paths: list[Path]
    labels: np.ndarray
    patients: np.ndarray


def read_labels(folder: Path, labels_csv: Path, classes: list[str]) -> LabelledCells:
    """Read ``path,patient,class`` rows; paths are relative to ``folder``.

    Raises InputError for a missing file or column or a class that is not in ``classes``.
    """
    if not labels_csv.is_file():
        raise InputError(f"labels file {labels_csv} does not exist")
    with labels_csv.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        lacking = {"path", "patient", "class"} - set(reader.fieldnames or [])
        if lacking:
            raise InputError(f"{labels_csv} lacks the columns {sorted(lacking)}")
        rows = list(reader)
    unknown = sorted({row["class"] for row in rows} - set(classes))
    if unknown:
        raise InputError(f"{labels_csv} has classes that the scheme does not know: {unknown}")
    return LabelledCells(
        paths=[folder / row["path"] for row in rows],
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
    """Decode every cell: float16 (N, 3, input_px, input_px). Raises InputError for a bad image."""
    decoder = Decoder(preprocessing, batch_size=_BATCH, threads=threads)
    side = preprocessing.input_px
    out = torch.empty(len(cells.paths), 3, side, side, dtype=torch.float16)
    for start in range(0, len(cells.paths), _BATCH):
        paths = cells.paths[start : start + _BATCH]
        try:
            encoded = [np.fromfile(path, np.uint8) for path in paths]
        except OSError as error:
            raise InputError(f"cannot read training image: {error}") from error
        pixels, decoded = decoder.decode(encoded)
        if not decoded.all():
            raise InputError(f"cannot decode training image {paths[int(decoded.argmin())]}")
        out[start : start + len(paths)] = torch.from_numpy(pixels)
    return out


def whole_image(preprocessing: Preprocessing) -> Preprocessing:
    """The same pixels with their surroundings: the canvas that augmentation cuts views from."""
    side = round(preprocessing.input_px / preprocessing.region)
    return replace(preprocessing, input_px=side, region=1.0)
