"""From a folder of labelled cells to a model folder that ``score`` takes as it is."""

import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.errors import InputError
from bloodcell.files import sha256_of
from bloodcell.scheme import Scheme, load_scheme
from bloodcell.training.cells import LabelledCells, decode_all, hold_out_patients, labelled_cells
from bloodcell.training.export import write_model_folder
from bloodcell.training.fit import Pixels, Task, Trainer, infer
from bloodcell.training.losses import LabelLoss, Loss, TaughtLoss, class_weights
from bloodcell.training.options import Course, TrainingOptions, read_options
from bloodcell.training.resnext import ARCHITECTURES, ResNeXt
from bloodcell.training.validation import fit_calibration, held_out_cells

log = logging.getLogger(__name__)


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
    name of one that comes with bloodcell, or a TOML file. One fold of the patients is held out
    for choosing the epoch and for calibration. A second call on the same ``out`` continues
    after the last whole epoch. The card says of the data what ``data_source`` (where the images
    are from), ``data_licence`` and ``data_limits`` (what they lack) say. ``progress`` is called
    with batches done and in all. Raises InputError, ModelError.
    """
    if threads:
        torch.set_num_threads(threads)
    options = read_options(recipe)
    scheme = load_scheme(options.scheme)
    blast_index = scheme.codes.index(_blast_code(scheme))
    cells = labelled_cells(data, labels, scheme.codes)
    held_out = hold_out_patients(cells, **asdict(options.validation), blast_index=blast_index)
    training, validation = cells.chosen(~held_out), cells.chosen(held_out)
    log.info("to learn from: %s; held out: %s", training.size, validation.size)
    task = _task(training, validation, options.preprocessing, len(scheme.classes), blast_index)
    job = asdict(options) | {
        "architecture": asdict(ARCHITECTURES[options.architecture]),
        "data": {"labels_sha256": sha256_of(labels)},
    }
    steps = _Steps(progress, task, options)
    network, history = _fit(out, task, options, job, steps)
    logits, truth = infer(network, task.validation.pixels), task.validation.labels
    calibration = fit_calibration(logits, truth, validation.patients)
    network.raise_logits(calibration.offsets)
    write_model_folder(
        out,
        network=network,
        scheme=scheme,
        options=options,
        data={
            "source": data_source,
            "licence": data_licence,
            "limits": data_limits,
            **job["data"],
            "patients": sorted(set(training.patients.tolist())),
            "cells": len(training.paths),
        },
        calibration=calibration,
        held_out=held_out_cells(logits, truth, validation.patients, scheme),
        history=history,
    )


def _fit(
    out: Path, task: Task, options: TrainingOptions, job: dict[str, Any], steps: "_Steps"
) -> tuple[ResNeXt, list[dict[str, float]]]:
    """Teacher first, if there is one; returns the network, its head corrected for the prior."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    classes = len(task.log_prior)
    weights = task.log_prior.exp().to(device)

    def trainer(folder: Path, network: nn.Module, course: Course, loss: Loss) -> Trainer:
        return Trainer(
            folder, network.to(device), task=task, course=course, loss=loss,
            seed=options.seed, job=job, steps_done=steps,
        )  # fmt: skip

    loss: Loss = LabelLoss(weights, options.course.label_smoothing)
    if options.teacher:
        from bloodcell.training.teacher import ImageNetTeacher

        torch.manual_seed(options.seed)
        course = options.teacher.course
        teacher = ImageNetTeacher(options.preprocessing, classes)
        label_loss = LabelLoss(weights, course.label_smoothing)
        log.info("training the teacher")
        taught = trainer(out / "teacher", teacher, course, label_loss).fit()
        loss = TaughtLoss(loss, taught, options.teacher.share)
    log.info("training the network")
    final = trainer(out, new_network(options), options.course, loss)
    best = final.fit().cpu()
    assert isinstance(best, ResNeXt)
    best.raise_logits(-task.log_prior)
    return best, final.history


def new_network(options: TrainingOptions) -> ResNeXt:
    """The recipe's network with the random weights of its seed."""
    torch.manual_seed(options.seed)
    return ResNeXt(ARCHITECTURES[options.architecture], len(load_scheme(options.scheme).classes))


def _task(
    training: LabelledCells,
    validation: LabelledCells,
    preprocessing: Preprocessing,
    classes: int,
    blast_index: int,
) -> Task:
    threads = torch.get_num_threads()
    labels = torch.from_numpy(training.labels)
    canvas = decode_all(training, whole_image(preprocessing), threads, torch.float16)
    exact = decode_all(validation, preprocessing, threads)
    return Task(
        training=Pixels(canvas, labels),
        validation=Pixels(exact, torch.from_numpy(validation.labels)),
        region=preprocessing.region,
        log_prior=class_weights(labels, classes).log(),
        blast_index=blast_index,
    )


def whole_image(preprocessing: Preprocessing) -> Preprocessing:
    """The same pixels with their surroundings: the canvas that augmentation cuts views from."""
    side = round(preprocessing.input_px / preprocessing.region)
    return replace(preprocessing, input_px=side, region=1.0)


class _Steps:
    """Counts batches over teacher and network for the progress display."""

    def __init__(
        self, progress: Callable[[int, int], None] | None, task: Task, options: TrainingOptions
    ) -> None:
        courses = [options.course] + ([options.teacher.course] if options.teacher else [])
        cells = len(task.training.labels)
        self._total = sum(course.epochs * (cells // course.batch_size) for course in courses)
        self._done = 0
        self._progress = progress

    def __call__(self, count: int) -> None:
        self._done += count
        if self._progress:
            self._progress(self._done, self._total)


def _blast_code(scheme: Scheme) -> str:
    """The blast class whose ranking is followed: the scheme's first."""
    for cell_class in scheme.classes:
        if cell_class.role == "blast":
            return cell_class.code
    raise InputError(f"scheme {scheme.name!r} has no blast class to train for")
