"""From a folder of labelled cells to a model folder that ``score`` takes as it is."""

import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.errors import InputError
from bloodcell.files import sha256_of
from bloodcell.scheme import Scheme, load_scheme
from bloodcell.training.cells import LabelledCells, deal_patients, decode_all, labelled_cells
from bloodcell.training.crossvalidation import CrossValidation
from bloodcell.training.export import write_model_folder
from bloodcell.training.fit import Task
from bloodcell.training.losses import class_weights
from bloodcell.training.recipe import Recipe, read_recipe
from bloodcell.training.resnext import ARCHITECTURES
from bloodcell.training.validation import fit_calibration, held_out_cells

_LOG = logging.getLogger(__name__)


def train(
    data: Path,
    labels: Path,
    out: Path,
    *,
    recipe: str | Path = "resnext26",
    data_source: str = "not stated",
    data_licence: str = "not stated",
    data_limits: str = "not stated",
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Train on the images below ``data`` and write the model folder ``out``.

    ``labels``: CSV with ``path`` (relative to ``data``), ``patient``, ``class``. ``recipe``: the
    name of one that comes with bloodcell, or a TOML file. For each fold of the patients a network
    is trained that never sees them; together these say how many epochs are best, calibrate and
    give the error model. The network that is kept learns from all patients. A second call on
    the same ``out`` continues after the last whole epoch. The card says of the data what
    ``data_source`` (where the images are from), ``data_licence`` and ``data_limits`` (what they
    lack) say. ``progress`` is called with batches done and in all. Raises InputError, ModelError,
    DiskError.
    """
    if threads:
        torch.set_num_threads(threads)
    chosen = read_recipe(recipe)
    scheme = load_scheme(chosen.scheme)
    blast_index = scheme.codes.index(_blast_code(scheme))
    cells = labelled_cells(data, labels, scheme.codes)
    patients = sorted(set(cells.patients.tolist()))
    _LOG.info("to learn from: %d cells of %d patients", len(cells.paths), len(patients))
    fold_of_cell = deal_patients(cells, chosen.validation.folds, blast_index)
    task = _task(cells, chosen.preprocessing, len(scheme.classes), blast_index)
    job = asdict(chosen) | {
        "architecture": asdict(ARCHITECTURES[chosen.architecture]),
        "data": {"labels_sha256": sha256_of(labels)},
    }
    count = _counting_batches(progress or (lambda *_: None), np.bincount(fold_of_cell), chosen)
    fitted = CrossValidation(out, task, chosen, job, count).run(torch.from_numpy(fold_of_cell))
    calibration = fit_calibration(fitted.held_out_logits, task.labels, cells.patients)
    fitted.network.raise_logits(calibration.offsets)
    write_model_folder(
        out,
        network=fitted.network,
        scheme=scheme,
        recipe=chosen,
        data={"source": data_source, "licence": data_licence, "limits": data_limits, **job["data"]}
        | {"patients": patients, "cells": len(cells.paths)},
        calibration=calibration,
        held_out=held_out_cells(fitted.held_out_logits, task.labels, cells.patients, scheme),
        history=fitted.history,
    )


def _counting_batches(
    progress: Callable[[int, int], None], cells_of_fold: npt.NDArray[np.int64], recipe: Recipe
) -> Callable[[int], None]:
    """What is told of batches done, over all networks and teachers, for the progress display."""
    courses = [recipe.course] + ([recipe.teacher.course] if recipe.teacher else [])
    cells = cells_of_fold.sum()
    learnt_from = [*(cells - cells_of_fold), cells]
    total = sum(c.epochs * int(n // c.batch_size) for c in courses for n in learnt_from)
    done = 0

    def count(batches: int) -> None:
        nonlocal done
        done += batches
        progress(done, total)

    return count


def _blast_code(scheme: Scheme) -> str:
    """The blast class whose ranking is followed: the scheme's first."""
    for cell_class in scheme.classes:
        if cell_class.role == "blast":
            return cell_class.code
    raise InputError(f"scheme {scheme.name!r} has no blast class to train for")


def _task(
    cells: LabelledCells, preprocessing: Preprocessing, classes: int, blast_index: int
) -> Task:
    """All cells to learn from, none held out."""
    threads = torch.get_num_threads()
    labels = torch.from_numpy(cells.labels)
    return Task(
        canvases=decode_all(cells, whole_image(preprocessing), threads, torch.float16),
        pixels=decode_all(cells, preprocessing, threads),
        labels=labels,
        training=torch.arange(len(labels)),
        held_out=torch.empty(0, dtype=torch.int64),
        region=preprocessing.region,
        log_prior=class_weights(labels, classes).log(),
        blast_index=blast_index,
    )


def whole_image(preprocessing: Preprocessing) -> Preprocessing:
    """The same pixels with their surroundings: the canvas that augmentation cuts views from."""
    side = round(preprocessing.input_px / preprocessing.region)
    return replace(preprocessing, input_px=side, region=1.0)
