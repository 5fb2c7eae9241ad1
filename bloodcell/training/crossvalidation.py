"""One network a fold that never saw the fold's patients, then one that learns from all."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import torch
from torch import nn

from bloodcell.scheme import load_scheme
from bloodcell.training.fit import Task, Trainer, infer
from bloodcell.training.losses import Loss, class_weights, label_loss, taught_loss
from bloodcell.training.recipe import Course, Recipe
from bloodcell.training.resnext import ARCHITECTURES, ResNeXt

_LOG = logging.getLogger(__name__)

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


class _Epochs(NamedTuple):
    """How many epochs are trained at most, or were best."""

    teacher: int
    network: int


class CrossValidation:
    """Trains in ``folder``: the network for all there, that of fold k in ``fold-k``.

    ``task``: all cells to learn from, none held out. ``job``: what tells this training from any
    other; ``steps_done``: see ``Trainer``.
    """

    def __init__(
        self,
        folder: Path,
        task: Task,
        recipe: Recipe,
        job: dict[str, Any],
        steps_done: Callable[[int], None],
    ) -> None:
        self._folder, self._task, self._recipe = folder, task, recipe
        self._job, self._steps_done = job, steps_done
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._history: list[dict[str, Any]] = []

    def run(self, fold_of_cell: torch.Tensor) -> Fitted:
        """Train all networks; ``fold_of_cell``: int64 (N,)."""
        recipe, folds = self._recipe, self._recipe.validation.folds
        teacher_epochs = recipe.teacher.course.epochs if recipe.teacher else 0
        most = _Epochs(teacher_epochs, recipe.course.epochs)
        logits = torch.empty(len(self._task.labels), len(self._task.log_prior))
        best = []
        for fold in range(folds):
            part = f"fold-{fold}"
            task = _without(self._task, fold_of_cell == fold)
            network, epochs = self._fit(part, self._folder / part, task, most)
            logits[task.held_out] = infer(network, task.pixels[task.held_out])
            best.append(epochs)
        kept = _Epochs(*(round(mean(epochs)) for epochs in zip(*best, strict=True)))
        network, _ = self._fit(ALL_PATIENTS, self._folder, self._task, kept)
        return Fitted(network, logits, self._history)

    def _fit(self, part: str, folder: Path, task: Task, most: _Epochs) -> tuple[ResNeXt, _Epochs]:
        """Teacher first, if there is one; returns the network, its head corrected for the prior."""
        recipe, taught_epochs = self._recipe, 0
        loss = self._label_loss(task, recipe.course)
        if recipe.teacher:
            from bloodcell.training.teacher import ImageNetTeacher

            torch.manual_seed(recipe.seed)
            teacher = ImageNetTeacher(recipe.preprocessing, len(task.log_prior))
            course = recipe.teacher.course
            _LOG.info("%s: training the teacher", part)
            teaching = self._trainer(
                folder / "teacher", teacher, task=task, course=course, epochs=most.teacher,
                loss=self._label_loss(task, course),
            )  # fmt: skip
            loss = taught_loss(loss, teaching.fit(), recipe.teacher.share)
            taught_epochs = teaching.best_epoch()
            self._keep_history(f"{part} teacher", teaching)
        _LOG.info("%s: training the network", part)
        trainer = self._trainer(
            folder, new_network(recipe), task=task, course=recipe.course, epochs=most.network,
            loss=loss,
        )  # fmt: skip
        network = trainer.fit().cpu()
        self._keep_history(part, trainer)
        assert isinstance(network, ResNeXt)
        network.raise_logits(-task.log_prior)
        return network, _Epochs(taught_epochs, trainer.best_epoch())

    def _label_loss(self, task: Task, course: Course) -> Loss:
        return label_loss(task.log_prior.exp().to(self._device), course.label_smoothing)

    def _trainer(
        self, folder: Path, network: nn.Module, *, task: Task, course: Course, epochs: int,
        loss: Loss,
    ) -> Trainer:  # fmt: skip
        return Trainer(
            folder, network.to(self._device), task=task, course=course, epochs=epochs, loss=loss,
            seed=self._recipe.seed, job=self._job, steps_done=self._steps_done,
        )  # fmt: skip

    def _keep_history(self, part: str, trainer: Trainer) -> None:
        self._history += [{"part": part, **entry} for entry in trainer.history]


def _without(task: Task, held_out: torch.Tensor) -> Task:
    """Hold out the cells where ``held_out``, bool (N,), is true."""
    training = torch.nonzero(~held_out).flatten()
    return replace(
        task,
        training=training,
        held_out=torch.nonzero(held_out).flatten(),
        log_prior=class_weights(task.labels[training], len(task.log_prior)).log(),
    )


def new_network(recipe: Recipe) -> ResNeXt:
    """The recipe's network with the random weights of its seed."""
    torch.manual_seed(recipe.seed)
    return ResNeXt(ARCHITECTURES[recipe.architecture], len(load_scheme(recipe.scheme).classes))
