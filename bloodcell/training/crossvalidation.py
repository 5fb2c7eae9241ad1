"""One network a fold that never saw the fold's patients, then one that learns from all."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from torch import nn

from bloodcell.scheme import load_scheme
from bloodcell.training.fit import Task, Trainer, infer
from bloodcell.training.losses import LabelLoss, Loss, TaughtLoss, Teacher, class_weights
from bloodcell.training.options import Course, TrainingOptions
from bloodcell.training.resnext import ARCHITECTURES, ResNeXt

log = logging.getLogger(__name__)

ALL_PATIENTS = "all"
"""The ``part`` of the network that learns from all patients."""


@dataclass(frozen=True)
class Fitted:
    """The network that learnt from all cells, and what the others say of cells not seen.

    ``held_out_logits``: float32 (N, C), each cell's by the network that never saw its patient.
    ``history``: one entry an epoch of each network and teacher, ``part`` naming it.
    """

    network: ResNeXt
    held_out_logits: torch.Tensor
    history: list[dict[str, Any]]


class CrossValidation:
    """Trains in ``folder``: the network for all there, that of fold k in ``fold-k``.

    The teacher of fold k, in ``teacher-k``, learns from that fold alone, so that each cell is
    taught by teachers that never saw its patient, and no network by one that saw a patient whom
    it is judged by. ``task``: all cells to learn from, none held out; ``fold_of_cell``: int64
    (N,). ``job``: what tells this training from any other; ``steps_done``: see ``Trainer``.
    """

    def __init__(
        self,
        folder: Path,
        task: Task,
        *,
        fold_of_cell: torch.Tensor,
        options: TrainingOptions,
        job: dict[str, Any],
        steps_done: Callable[[int], None],
    ) -> None:
        self._folder, self._task, self._fold_of_cell = folder, task, fold_of_cell
        self._options = options
        self._job, self._steps_done = job, steps_done
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._history: list[dict[str, Any]] = []
        self._teachers: dict[int, Teacher] = {}

    def run(self) -> Fitted:
        """Train all networks."""
        folds, epochs = range(self._options.validation.folds), self._options.course.epochs
        logits = torch.empty(len(self._task.labels), len(self._task.log_prior))
        best = []
        for fold in folds:
            task = _learning_from(self._task, self._fold_of_cell != fold)
            held_out = torch.nonzero(self._fold_of_cell == fold).flatten()
            others = [other for other in folds if other != fold]
            judged = replace(task, held_out=held_out)
            network, best_epoch = self._fit(f"fold-{fold}", judged, others, epochs)
            logits[held_out] = infer(network, task.pixels[held_out])
            best.append(best_epoch)
        network, _ = self._fit(ALL_PATIENTS, self._task, list(folds), round(mean(best)))
        return Fitted(network, logits, self._history)

    def _fit(
        self, part: str, task: Task, folds: list[int], most_epochs: int
    ) -> tuple[ResNeXt, int]:
        """Fit a network to ``folds``; its head is corrected for the prior. Also the best epoch."""
        options = self._options
        loss: Loss = self._label_loss(task, options.course)
        if options.teacher:
            loss = TaughtLoss(
                loss, [self._teacher_of(fold) for fold in folds],
                fold_of_cell=self._fold_of_cell, log_prior=task.log_prior,
                share=options.teacher.share,
            )  # fmt: skip
        folder = self._folder if part == ALL_PATIENTS else self._folder / part
        trainer = self._trainer(
            part, folder, new_network(options), task=task, course=options.course,
            epochs=most_epochs, loss=loss,
        )  # fmt: skip
        network = trainer.fit().cpu()
        self._keep_history(part, trainer)
        assert isinstance(network, ResNeXt)
        network.raise_logits(-task.log_prior)
        return network, trainer.best_epoch()

    def _teacher_of(self, fold: int) -> Teacher:
        """Fine-tune it when it is first asked for; nobody judges it, so its last epoch counts."""
        if fold not in self._teachers:
            from bloodcell.training.teacher import ImageNetTeacher

            options = self._options
            assert options.teacher
            course, part = options.teacher.course, f"teacher-{fold}"
            task = _learning_from(self._task, self._fold_of_cell == fold)
            torch.manual_seed(options.seed)
            network = ImageNetTeacher(options.preprocessing, len(task.log_prior))
            trainer = self._trainer(
                part, self._folder / part, network, task=task, course=course,
                epochs=course.epochs, loss=self._label_loss(task, course),
            )  # fmt: skip
            self._teachers[fold] = Teacher(trainer.fit(), fold, task.log_prior)
            self._keep_history(part, trainer)
        return self._teachers[fold]

    def _label_loss(self, task: Task, course: Course) -> LabelLoss:
        return LabelLoss(task.log_prior.exp().to(self._device), course.label_smoothing)

    def _trainer(
        self, part: str, folder: Path, network: nn.Module, *, task: Task, course: Course,
        epochs: int, loss: Loss,
    ) -> Trainer:  # fmt: skip
        log.info("training %s", part)
        return Trainer(
            folder, network.to(self._device), task=task, course=course, epochs=epochs, loss=loss,
            patience_epochs=self._options.validation.patience_epochs, seed=self._options.seed,
            job=self._job, steps_done=self._steps_done,
        )  # fmt: skip

    def _keep_history(self, part: str, trainer: Trainer) -> None:
        self._history += [{"part": part, **entry} for entry in trainer.history]


def _learning_from(task: Task, chosen: torch.Tensor) -> Task:
    """Learn only from the cells where ``chosen``, bool (N,), is true."""
    training = torch.nonzero(chosen).flatten()
    log_prior = class_weights(task.labels[training], len(task.log_prior)).log()
    return replace(task, training=training, log_prior=log_prior)


def new_network(options: TrainingOptions) -> ResNeXt:
    """The recipe's network with the random weights of its seed."""
    torch.manual_seed(options.seed)
    return ResNeXt(ARCHITECTURES[options.architecture], len(load_scheme(options.scheme).classes))
