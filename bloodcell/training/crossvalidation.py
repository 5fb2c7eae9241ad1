"""One network a fold that never saw the fold's patients, then one that learns from all."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bloodcell.scheme import load_scheme
from bloodcell.training.fit import Task, Trainer, infer
from bloodcell.training.losses import LabelLoss, Loss, TaughtLoss, class_weights
from bloodcell.training.options import Course, TrainingOptions
from bloodcell.training.resnext import ARCHITECTURES, ResNeXt

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fitted:
    """The network that learnt from all cells, and what the others say of cells not seen.

    ``held_out_logits``: float32 (N, C), each cell's by the network that never saw its patient.
    ``history``: one entry an epoch of each network, ``part`` naming it.
    """

    network: ResNeXt
    held_out_logits: torch.Tensor
    history: list[dict[str, Any]]


@dataclass(frozen=True)
class _Epochs:
    """How many epochs were, or are to be, trained and kept."""

    teacher: int
    network: int


class CrossValidation:
    """Trains in ``folder``: the network for all there, that of fold k in ``fold-k``.

    ``job``: what tells this training from any other; ``steps_done``: see ``Trainer``.
    """

    def __init__(
        self,
        folder: Path,
        task: Task,
        options: TrainingOptions,
        job: dict[str, Any],
        steps_done: Callable[[int], None],
    ) -> None:
        self._folder, self._task, self._options = folder, task, options
        self._job, self._steps_done = job, steps_done
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._history: list[dict[str, Any]] = []

    def run(self, fold_of_cell: torch.Tensor) -> Fitted:
        """Train all networks; ``fold_of_cell``: int64 (N,)."""
        task, options = self._task, self._options
        classes = len(task.log_prior)
        most = _Epochs(
            options.teacher.course.epochs if options.teacher else 0, options.course.epochs
        )
        logits = torch.empty(len(task.labels), classes)
        best: list[_Epochs] = []
        for fold in range(options.validation.folds):
            part = f"fold-{fold}"
            training = torch.nonzero(fold_of_cell != fold).flatten()
            held_out = torch.nonzero(fold_of_cell == fold).flatten()
            prior = class_weights(task.labels[training], classes).log()
            fold_task = replace(task, training=training, held_out=held_out, log_prior=prior)
            network, epochs = self._fit(part, self._folder / part, fold_task, most)
            logits[held_out] = infer(network, task.pixels[held_out])
            best.append(epochs)
        kept = _Epochs(*(round(sum(e) / len(e)) for e in zip(*map(_pair, best), strict=True)))
        log.info("best epochs of the folds: %s; for all patients: %s", best, kept)
        network, _ = self._fit("all", self._folder, task, kept)
        return Fitted(network, logits, self._history)

    def _fit(self, part: str, folder: Path, task: Task, most: _Epochs) -> tuple[ResNeXt, _Epochs]:
        """Teacher first, if there is one; returns the network, its head corrected for the prior."""
        options = self._options
        loss: Loss = self._label_loss(task, options.course)
        taught_epochs = 0
        if options.teacher:
            from bloodcell.training.teacher import ImageNetTeacher

            torch.manual_seed(options.seed)
            course = options.teacher.course
            teacher = ImageNetTeacher(options.preprocessing, len(task.log_prior))
            log.info("%s: training the teacher", part)
            teacher_loss = self._label_loss(task, course)
            trainer = self._trainer(
                folder / "teacher", teacher, task, course, most.teacher, teacher_loss
            )
            loss = TaughtLoss(loss, trainer.fit(), options.teacher.share)
            taught_epochs = trainer.best_epoch()
            self._keep_history(f"{part} teacher", trainer)
        log.info("%s: training the network", part)
        trainer = self._trainer(
            folder, new_network(options), task, options.course, most.network, loss
        )
        best = trainer.fit().cpu()
        self._keep_history(part, trainer)
        assert isinstance(best, ResNeXt)
        best.raise_logits(-task.log_prior)
        return best, _Epochs(taught_epochs, trainer.best_epoch())

    def _label_loss(self, task: Task, course: Course) -> LabelLoss:
        return LabelLoss(task.log_prior.exp().to(self._device), course.label_smoothing)

    def _trainer(
        self, folder: Path, network: nn.Module, task: Task, course: Course, epochs: int, loss: Loss
    ) -> Trainer:
        return Trainer(
            folder, network.to(self._device), task=task, course=course, epochs=epochs, loss=loss,
            seed=self._options.seed, job=self._job, steps_done=self._steps_done,
        )  # fmt: skip

    def _keep_history(self, part: str, trainer: Trainer) -> None:
        self._history += [{"part": part, **entry} for entry in trainer.history]


def new_network(options: TrainingOptions) -> ResNeXt:
    """The recipe's network with the random weights of its seed."""
    torch.manual_seed(options.seed)
    return ResNeXt(ARCHITECTURES[options.architecture], len(load_scheme(options.scheme).classes))


def _pair(epochs: _Epochs) -> tuple[int, int]:
    return epochs.teacher, epochs.network
