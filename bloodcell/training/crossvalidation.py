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
from bloodcell.training.losses import LabelLoss, Loss, TaughtLoss, class_weights
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

    def run(self) -> Fitted:
        """Train all teachers and networks."""
        folds, epochs = range(self._options.validation.folds), self._options.course.epochs
        answers = self._ask_teachers() if self._options.teacher else None
        logits = torch.empty(len(self._task.labels), len(self._task.log_prior))
        best = []
        for fold in folds:
            task = _learning_from(self._task, self._fold_of_cell != fold)
            held_out = torch.nonzero(self._fold_of_cell == fold).flatten()
            judged = replace(task, held_out=held_out)
            # Its held-out patients are all that the left-out teacher knows.
            others = None if answers is None else _without(answers, fold)
            network, best_epoch = self._fit(f"fold-{fold}", judged, others, epochs)
            logits[held_out] = infer(network, task.pixels[held_out])
            best.append(best_epoch)
        network, _ = self._fit(ALL_PATIENTS, self._task, answers, round(mean(best)))
        return Fitted(network, logits, self._history)

    def _ask_teachers(self) -> torch.Tensor:
        """What teacher k says of cells of other folds, float32 (folds, N, C); NaN of its own.

        A teacher says of cells that it learnt from what their labels say, faults and all; of
        other patients it says what it has learnt (Dao et al. 2021, arXiv 2104.09732).
        """
        from bloodcell.training.teacher import answers_of

        teacher = self._options.teacher
        assert teacher
        folds = self._options.validation.folds
        shape = folds, len(self._task.labels), len(self._task.log_prior)
        answers = torch.full(shape, torch.nan)
        for fold in range(folds):
            network, log_prior = self._fit_teacher(fold)
            others = torch.nonzero(self._fold_of_cell != fold).flatten()
            log.info("teacher-%d is asked about %d cells", fold, len(others))
            answers[fold, others] = answers_of(
                network, self._task.pixels[others], teacher.course.last_side_px, log_prior
            )
        return answers

    def _fit_teacher(self, fold: int) -> tuple[nn.Module, torch.Tensor]:
        """Fine-tune it; nobody judges it, so its last epoch counts. Also its task's prior."""
        from bloodcell.training.teacher import ImageNetTeacher

        options = self._options
        assert options.teacher
        course = options.teacher.course
        task = _learning_from(self._task, self._fold_of_cell == fold)
        torch.manual_seed(options.seed)
        network = ImageNetTeacher(options.preprocessing, len(task.log_prior))
        fitted, _ = self._train(
            f"teacher-{fold}", network, task=task, course=course, epochs=course.epochs,
            loss=self._label_loss(task, course),
        )  # fmt: skip
        return fitted, task.log_prior

    def _fit(
        self, part: str, task: Task, answers: torch.Tensor | None, most_epochs: int
    ) -> tuple[ResNeXt, int]:
        """Fit a network; its head is corrected for the prior. Also the best epoch."""
        options = self._options
        loss: Loss = self._label_loss(task, options.course)
        if options.teacher and answers is not None:
            loss = TaughtLoss(loss, _taught(answers, task.log_prior), options.teacher.share)
        fitted, best_epoch = self._train(
            part, new_network(options), task=task, course=options.course, epochs=most_epochs,
            loss=loss,
        )  # fmt: skip
        network = fitted.cpu()
        assert isinstance(network, ResNeXt)
        network.raise_logits(-task.log_prior)
        return network, best_epoch

    def _label_loss(self, task: Task, course: Course) -> LabelLoss:
        return LabelLoss(task.log_prior.exp().to(self._device), course.label_smoothing)

    def _train(
        self, part: str, network: nn.Module, *, task: Task, course: Course, epochs: int, loss: Loss
    ) -> tuple[nn.Module, int]:
        log.info("training %s", part)
        trainer = Trainer(
            self._folder if part == ALL_PATIENTS else self._folder / part,
            network.to(self._device), task=task, course=course, epochs=epochs,
            patience_epochs=self._options.validation.patience_epochs, loss=loss,
            seed=self._options.seed, job=self._job, steps_done=self._steps_done,
        )  # fmt: skip
        fitted = trainer.fit()
        self._history += [{"part": part, **entry} for entry in trainer.history]
        return fitted, trainer.best_epoch()


def _without(answers: torch.Tensor, fold: int) -> torch.Tensor:
    return torch.cat([answers[:fold], answers[fold + 1 :]])


def _taught(answers: torch.Tensor, log_prior: torch.Tensor) -> torch.Tensor:
    """Mean answer for each cell, float32 (N, C), for a task with this ``log_prior``.

    The mean of log-probabilities: that of probabilities would be less sure than each teacher, and
    the network that is kept, whose cells have more teachers, less sure than those of the folds.
    """
    return torch.log_softmax(answers.nanmean(0) + log_prior, 1)


def _learning_from(task: Task, chosen: torch.Tensor) -> Task:
    """Learn only from the cells where ``chosen``, bool (N,), is true."""
    training = torch.nonzero(chosen).flatten()
    log_prior = class_weights(task.labels[training], len(task.log_prior)).log()
    return replace(task, training=training, log_prior=log_prior)


def new_network(options: TrainingOptions) -> ResNeXt:
    """The recipe's network with the random weights of its seed."""
    torch.manual_seed(options.seed)
    return ResNeXt(ARCHITECTURES[options.architecture], len(load_scheme(options.scheme).classes))
