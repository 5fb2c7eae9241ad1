"""One network a fold that never saw the fold's patients, then one that learns from all."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from torch import nn

from bloodcell.architectures.network import CellNetwork
from bloodcell.architectures.published import fill, read_state_dict
from bloodcell.architectures.table import ARCHITECTURES
from bloodcell.scheme import load_scheme
from bloodcell.training.fit import Trainer, infer, near, training_device
from bloodcell.training.lessons import lessons_of
from bloodcell.training.losses import Loss, label_loss, taught_loss
from bloodcell.training.recipe import Course, Head, Recipe
from bloodcell.training.sources import KEPT_FOLD
from bloodcell.training.task import Task

_LOG = logging.getLogger(__name__)

ALL_PATIENTS = "all"
"""The ``part`` of the network that learns from all patients."""


@dataclass(frozen=True)
class Material:
    """What the parts of a training are made of: all cells, and how some are held out."""

    task: Task
    """All cells, none held out; lessons and trust are filled in for each part."""
    fold_of_cell: torch.Tensor
    """int64 (N,): a fold's number, ``KEPT_FOLD`` or ``NO_FOLD``."""
    pixels_of: Callable[[torch.Tensor], torch.Tensor]
    """The exact input for row numbers."""
    trust_in: Callable[[torch.Tensor], torch.Tensor]
    """How far labels are believed, float32 (N,), by what these rows alone say."""
    smears: dict[str, Any] | None
    """The card's table of how the cells look that are learnt from, see ``fit_smears``."""


@dataclass(frozen=True)
class Fitted:
    """The network that learnt from all cells, and what is said of cells not seen.

    ``held_out_logits``: float32 (N, C), each cell's of the first source by the network that never
    saw its patient, each kept cell's by the network that learnt from all; NaN for the rest.
    ``occurrence``: as of ``Lessons``, of the cells that this network learnt from.
    ``history``: one entry an epoch of each network and teacher, ``part`` naming it.
    """

    network: CellNetwork
    occurrence: torch.Tensor
    held_out_logits: torch.Tensor
    history: list[dict[str, Any]]


class CrossValidation:
    """Trains in ``folder``: the network for all there, that of fold k in ``fold-k``.

    ``job``: what tells this training from any other; ``steps_done``: see ``Trainer``.
    """

    def __init__(
        self,
        folder: Path,
        material: Material,
        recipe: Recipe,
        job: dict[str, Any],
        steps_done: Callable[[int], None],
        *,
        head: Head = "softmax",
    ) -> None:
        self._folder, self._material, self._recipe = folder, material, recipe
        self._head = head
        self._job, self._steps_done = job, steps_done
        self._device = training_device()
        self._canvases = near(material.task.canvases, self._device)
        self._history: list[dict[str, Any]] = []

    def run(self) -> Fitted:
        """Train all networks."""
        recipe, fold_of_cell = self._recipe, self._material.fold_of_cell
        courses = [*(teacher.course for teacher in recipe.teacher), recipe.course]
        most = [course.epochs for course in courses]
        classes = len(self._material.task.lessons.occurrence)
        logits = torch.full((len(fold_of_cell), classes), torch.nan)
        best = []
        for fold in range(recipe.validation.folds):
            part = f"fold-{fold}"
            task = self._task(fold_of_cell == fold)
            network, epochs = self._fit(part, self._folder / part, task, most)
            logits[task.held_out] = infer(network, task.held_out_pixels)
            best.append(epochs)
        kept_epochs = [round(mean(epochs)) for epochs in zip(*best, strict=True)]
        task = self._task(torch.zeros_like(fold_of_cell, dtype=torch.bool))
        network, _ = self._fit(ALL_PATIENTS, self._folder, task, kept_epochs)
        kept = torch.nonzero(fold_of_cell == KEPT_FOLD).flatten()
        if len(kept):
            logits[kept] = infer(network, self._material.pixels_of(kept))
        return Fitted(network, task.lessons.occurrence, logits, self._history)

    def _task(self, is_held_out: torch.Tensor) -> Task:
        """Hold out the cells where ``is_held_out``, bool (N,), is true, and those that are kept."""
        material = self._material
        held_out = torch.nonzero(is_held_out).flatten()
        training = torch.nonzero(~is_held_out & (material.fold_of_cell != KEPT_FOLD)).flatten()
        trust = material.trust_in(training)
        task = replace(
            material.task,
            canvases=self._canvases,
            training=training,
            held_out=held_out,
            held_out_pixels=material.pixels_of(held_out),
            trust=trust,
        )
        return replace(task, lessons=lessons_of(task.cells, task.samplings, training, trust))

    def _fit(
        self, part: str, folder: Path, task: Task, most: list[int]
    ) -> tuple[CellNetwork, list[int]]:
        """Teachers first; returns the network, whose probabilities are those of its occurrence.

        ``most``: epochs of each teacher and of the network; returned are those that were best.
        """
        recipe, lessons = self._recipe, task.lessons.to(self._device)
        teachers, epochs = [], []
        for number, teacher in enumerate(recipe.teacher):
            from bloodcell.training.teacher import Taught, open_encoder

            _LOG.info("%s: training the teacher %s", part, teacher.network)
            torch.manual_seed(recipe.seed)
            encoder = open_encoder(teacher.network, recipe.preprocessing)
            teaching = self._trainer(
                folder / f"teacher-{teacher.network}",
                Taught(encoder, len(lessons.occurrence)),
                task=task, course=teacher.course, epochs=most[number],
                loss=label_loss(lessons, teacher.course.label_smoothing),
                layer_decay=teacher.layer_decay,
            )  # fmt: skip
            teachers.append(teaching.fit())
            epochs.append(teaching.best_epoch())
            self._keep_history(f"{part} teacher {teacher.network}", teaching)
        if recipe.frozen:
            frozen = new_network(recipe)
            frozen.eval()
            self._give_head(frozen, task)
            return frozen, [1] * len(most)
        _LOG.info("%s: training the network", part)
        loss = label_loss(lessons, recipe.course.label_smoothing)
        if teachers:
            shares = [teacher.share for teacher in recipe.teacher]
            loss = taught_loss(lessons, recipe.course.label_smoothing, teachers, shares)
        trainer = self._trainer(
            folder, new_network(recipe), task=task, course=recipe.course, epochs=most[-1],
            loss=loss, layer_decay=1.0,
        )  # fmt: skip
        network = trainer.fit().cpu()
        self._keep_history(part, trainer)
        assert isinstance(network, CellNetwork)
        self._give_head(network, task)
        return network, [*epochs, trainer.best_epoch()]

    def _give_head(self, network: CellNetwork, task: Task) -> None:
        """Make its logits those of the classes' occurrence, or a support vector machine's."""
        if self._head == "softmax":
            network.raise_logits(task.lessons.occurrence)
            return
        from bloodcell.training.svm import fit_svm_head

        _LOG.info("fitting a support vector machine to %d cells", len(task.training))
        is_single = task.cells.label_sets.sum(1)[task.cells.labels[task.training]] == 1
        rows = task.training[is_single]
        labels, trust = task.cells.labels[rows], task.trust[rows]
        fit_svm_head(network, self._material.pixels_of, rows, labels, trust)

    def _trainer(
        self, folder: Path, network: nn.Module, *, task: Task, course: Course, epochs: int,
        loss: Loss, layer_decay: float,
    ) -> Trainer:  # fmt: skip
        return Trainer(
            folder, network.to(self._device), task=task, course=course, epochs=epochs, loss=loss,
            seed=self._recipe.seed, job=self._job, steps_done=self._steps_done,
            layer_decay=layer_decay,
        )  # fmt: skip

    def _keep_history(self, part: str, trainer: Trainer) -> None:
        self._history += [{"part": part, **entry} for entry in trainer.history]


def new_network(recipe: Recipe) -> CellNetwork:
    """The recipe's network with the random weights of its seed."""
    torch.manual_seed(recipe.seed)
    classes = len(load_scheme(recipe.scheme).classes)
    network = ARCHITECTURES[recipe.architecture].build(classes, recipe.preprocessing.input_px)
    if recipe.weights:
        path = Path(recipe.weights)
        fill(network, read_state_dict(path), path, any_head=True)
    return network
