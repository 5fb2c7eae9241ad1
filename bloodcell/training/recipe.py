"""From a folder of labelled cells to a model folder that ``score`` takes as it is."""

import logging
from pathlib import Path

import numpy as np
import torch

from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.errors import InputError
from bloodcell.files import sha256_of
from bloodcell.scheme import Scheme, load_scheme
from bloodcell.training.cells import (
    LabelledCells,
    decode_all,
    hold_out_patients,
    labelled_cells,
    whole_image,
)
from bloodcell.training.export import write_model_folder
from bloodcell.training.fit import Pixels, Trainer, TrainingOptions
from bloodcell.training.validation import validate

log = logging.getLogger(__name__)

PREPROCESSING = Preprocessing(
    input_px=112,
    # The cell lies in the middle; 0.7 of a 360 px CellaVision image still holds the largest.
    region=0.7,
    interpolation="linear",
    antialias=True,
    # Measured over the 12,101 images of the training patients, whole images, RGB, 0 to 1.
    mean=(0.839, 0.705, 0.704),
    std=(0.183, 0.226, 0.111),
)


def train(
    data: Path,
    labels: Path,
    out: Path,
    *,
    scheme: str = "jhu18",
    epochs: int = 18,
    seed: int = 1,
    threads: int | None = None,
    data_source: str = "not stated",
    data_licence: str = "not stated",
) -> None:
    """Train on the images below ``data`` and write the model folder ``out``.

    ``labels``: CSV with ``path`` (relative to ``data``), ``patient``, ``class``. About a sixth of
    the patients is held out for choosing the epoch and the temperature. A second call on the
    same ``out`` continues after the last whole epoch. ``data_source`` and ``data_licence`` go
    into the card. Raises InputError, ModelError.
    """
    if threads:
        torch.set_num_threads(threads)
    options = TrainingOptions(epochs=epochs, seed=seed)
    known = load_scheme(scheme)
    blast_index = known.codes.index(_blast_code(known))
    cells = labelled_cells(data, labels, known.codes)
    held_out = hold_out_patients(cells, options.validation_share, blast_index, seed)
    log.info(
        "%d cells of %d patients, %d cells held out",
        len(cells.paths), len(set(cells.patients)), held_out.sum(),
    )  # fmt: skip
    training = _pixels(_chosen(cells, ~held_out), whole_image(PREPROCESSING))
    validation = _pixels(_chosen(cells, held_out), PREPROCESSING)
    out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(
        out,
        options=options,
        training=training,
        validation=validation,
        class_count=len(known.classes),
        blast_index=blast_index,
        data={"scheme": known.name, "labels_sha256": sha256_of(labels)},
    )
    network = trainer.fit()
    figures = validate(network, validation, known, len(set(cells.patients[held_out])))
    provenance = {
        "source": data_source,
        "licence": data_licence,
        "labels_sha256": sha256_of(labels),
        "patients": len(set(cells.patients[~held_out])),
        "cells": int((~held_out).sum()),
    }
    write_model_folder(
        out,
        network=network,
        scheme=known,
        preprocessing=PREPROCESSING,
        options=options,
        data=provenance,
        validation=figures,
        history=trainer.history,
    )


def _chosen(cells: LabelledCells, which: np.typing.NDArray[np.bool_]) -> LabelledCells:
    places = np.flatnonzero(which)
    if len(places) == 0:
        raise InputError("training and held-out patients each need cells: label more patients")
    paths = [cells.paths[place] for place in places]
    return LabelledCells(paths, cells.labels[places], cells.patients[places])


def _pixels(cells: LabelledCells, preprocessing: Preprocessing) -> Pixels:
    pixels = decode_all(cells, preprocessing, torch.get_num_threads())
    return Pixels(pixels, torch.from_numpy(cells.labels))


def _blast_code(scheme: Scheme) -> str:
    """The blast class whose ranking chooses the epoch: the scheme's first."""
    for cell_class in scheme.classes:
        if cell_class.role == "blast":
            return cell_class.code
    raise InputError(f"scheme {scheme.name!r} has no blast class to train for")
