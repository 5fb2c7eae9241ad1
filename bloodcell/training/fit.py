"""The training loop: augmented views, averaged weights, validation by patient, exact resume."""

import copy
import io
import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from bloodcell.engine.machine import computes_in_bfloat16
from bloodcell.errors import InputError
from bloodcell.files import write_whole
from bloodcell.metrics import auroc
from bloodcell.training.augment import augment
from bloodcell.training.losses import Loss
from bloodcell.training.recipe import Course

_LOG = logging.getLogger(__name__)

_CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True)
class Task:
    """Cells to learn from and cells of other patients to judge by, as rows of the same tensors.

    ``canvases`` float16 (N, 3, S, S): what views are cut from (see ``augment``), of which a
    network sees ``region``; ``pixels`` float32 (N, 3, H, H): its exact input; ``labels`` int64
    (N,). ``training`` and ``held_out``, int64 row numbers; ``held_out`` may be empty: then
    nothing is judged. ``log_prior``, float32 (C,): what the training loss added to each class's
    logit beyond its share of the cells, taken off before judging.
    """

    canvases: torch.Tensor
    pixels: torch.Tensor
    labels: torch.Tensor
    training: torch.Tensor
    held_out: torch.Tensor
    region: float
    log_prior: torch.Tensor
    blast_index: int


class Trainer:
    """Trains a network; after every epoch ``folder/checkpoint.pt`` holds all that is needed.

    ``epochs``: of the course's at most so many. ``job``: what tells this training from any
    other. A second trainer on the same folder continues after the last whole epoch and ends with
    the same weights. ``steps_done`` is told of batches, those of earlier sessions too. Raises
    InputError if there are fewer training cells than a batch holds, or if the folder belongs to
    another training; DiskError if a checkpoint cannot be written whole.
    """

    def __init__(
        self,
        folder: Path,
        network: nn.Module,
        *,
        task: Task,
        course: Course,
        epochs: int,
        loss: Loss,
        seed: int,
        job: dict[str, Any],
        steps_done: Callable[[int], None],
    ) -> None:
        if len(task.training) < course.batch_size:
            raise InputError(
                f"{len(task.training)} cells are left for training, at least one batch of "
                f"{course.batch_size} is needed: label more cells"
            )
        self.folder, self.task, self.course, self.loss = folder, task, course, loss
        self.epochs, self.seed, self.job, self.steps_done = epochs, seed, job, steps_done
        self.device = next(network.parameters()).device
        self.model = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = AveragedModel(
            self.model, multi_avg_fn=_exponential_average(course.average_decay), use_buffers=True
        )
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=course.peak_learning_rate, weight_decay=course.weight_decay
        )
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Any] = {}

    def fit(self) -> nn.Module:
        """Train to the end; returns the averaged network of the best epoch, in eval mode.

        The best is the one with the smallest log loss of held-out cells, without any the last.
        """
        self._restore()
        while not self._finished():
            epoch, started = len(self.history), time.monotonic()
            training_loss = self._train_epoch(epoch)
            entry = {"epoch": epoch + 1, "training_loss": training_loss, **self._validate()}
            entry["elapsed_s"] = time.monotonic() - started
            self.history.append(entry)
            if self.best_epoch() == epoch + 1:
                self.best = copy.deepcopy(self.averaged.module.state_dict())
            self._save()
            _LOG.info(" ".join(f"{key}={value:.4g}" for key, value in entry.items()))
        best: nn.Module = copy.deepcopy(self.model)
        best.load_state_dict(self.best)
        return best.eval()

    def best_epoch(self) -> int:
        """Return the number of the best epoch so far, from 1."""
        if not len(self.task.held_out):
            return len(self.history)
        return 1 + int(np.argmin([entry["validation_loss"] for entry in self.history]))

    def _finished(self) -> bool:
        done = len(self.history)
        waited = done - self.best_epoch() if done else 0
        return done >= self.epochs or waited >= self.course.patience_epochs

    def _train_epoch(self, epoch: int) -> float:
        # Seeded by epoch, so that a resumed run draws what an uninterrupted one would.
        torch.manual_seed(self.seed * 1_000_003 + epoch)
        order = torch.Generator().manual_seed(self.seed * 7_919 + epoch)
        views = torch.Generator(self.device).manual_seed(self.seed * 15_485_863 + epoch)
        self.model.train()
        batches = list(self._shuffled(order))
        total = 0.0
        for step, rows in enumerate(batches):
            for group in self.optimizer.param_groups:
                group["lr"] = self._learning_rate(epoch + step / len(batches))
            total += self._train_batch(rows, self._side_px(epoch), views)
            self.steps_done(1)
        return total / len(batches)

    def _train_batch(self, rows: torch.Tensor, side_px: int, generator: torch.Generator) -> float:
        canvas = self.task.canvases[rows].to(self.device, torch.float32)
        labels = self.task.labels[rows].to(self.device)
        view = augment(canvas, side_px, self.task.region, generator)
        view = view.contiguous(memory_format=torch.channels_last)
        with mixed_precision(self.device):
            logits = self.model(view)
            loss = self.loss(logits.float(), view, labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.averaged.update_parameters(self.model)
        return loss.item()

    def _side_px(self, epoch: int) -> int:
        """Small views first, which cost less (Tan and Le 2021, arXiv 2104.00298).

        Even the last ones may be smaller than the network's input: it does best on cells a little
        larger than those it learnt from (Touvron et al. 2019, arXiv 1906.06423).
        """
        third = min(3 * epoch // self.course.epochs, 2)
        first, last = self.course.first_side_px, self.course.last_side_px
        return first + (last - first) * third // 2

    def _shuffled(self, generator: torch.Generator) -> Iterator[torch.Tensor]:
        rows = self.task.training
        order = rows[torch.randperm(len(rows), generator=generator)]
        size = self.course.batch_size
        # The last, smaller batch is left out: batch statistics of a few cells are noise.
        for start in range(0, len(order) - size + 1, size):
            yield order[start : start + size]

    def _learning_rate(self, epoch: float) -> float:
        """Linear warm-up over the first tenth, then half a cosine down to zero."""
        progress = epoch / self.course.epochs
        peak = self.course.peak_learning_rate
        if progress < 0.1:
            return peak * (0.04 + 0.96 * progress / 0.1)
        return peak * 0.5 * (1 + math.cos(math.pi * (progress - 0.1) / 0.9))

    def _validate(self) -> dict[str, float]:
        rows = self.task.held_out
        if not len(rows):
            return {}
        with mixed_precision(self.device):
            logits = infer(self.averaged.module, self.task.pixels[rows]) - self.task.log_prior
        probabilities = torch.softmax(logits, 1).numpy()
        labels = self.task.labels[rows]
        is_blast = labels.numpy() == self.task.blast_index
        return {
            "validation_loss": float(nn.functional.cross_entropy(logits, labels)),
            "accuracy": float(np.mean(probabilities.argmax(1) == labels.numpy())),
            "blast_auroc": auroc(probabilities[:, self.task.blast_index], is_blast),
        }

    def _save(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {
            "job": self.job,
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": self.history,
            "best": self.best,
        }
        # In memory first: torch has no OSError of its own for a disk that is full.
        content = io.BytesIO()
        torch.save(state, content)
        write_whole(self.folder / _CHECKPOINT, lambda path: path.write_bytes(content.getbuffer()))

    def _restore(self) -> None:
        path = self.folder / _CHECKPOINT
        if not path.exists():
            return
        state = torch.load(path, weights_only=True, map_location=self.device)
        if state["job"] != self.job:
            # With other folds, patients held out now may have been trained on before.
            raise InputError(
                f"{path} belongs to a training by another recipe, scheme or labels: choose a new "
                "--out"
            )
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.history, self.best = state["history"], state["best"]
        batches = len(self.task.training) // self.course.batch_size
        self.steps_done(len(self.history) * batches)
        _LOG.info("continuing after epoch %d of %s", len(self.history), path)


def _exponential_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """Step n keeps ``min(decay, (1 + n) / (10 + n))`` of the average.

    Otherwise the random start weighs for epochs, the validation loss of the average rises, and
    early stopping takes that for over-fitting. The rule is that of TensorFlow's
    ``ExponentialMovingAverage(num_updates=...)``.
    """

    def update(averaged: Any, current: Any, count: Any) -> None:
        kept = min(decay, (1.0 + int(count)) / (10.0 + int(count)))
        get_ema_multi_avg_fn(kept)(averaged, current, count)  # type: ignore[no-untyped-call]

    return update


def mixed_precision(device: torch.device) -> torch.autocast:
    """Bfloat16 where it is safe, on a GPU and on a CPU that computes in it."""
    capable = device.type == "cuda" or computes_in_bfloat16()
    return torch.autocast(device.type, torch.bfloat16, enabled=capable)


def infer(network: nn.Module, pixels: torch.Tensor, batch_size: int = 64) -> torch.Tensor:
    """Logits float32 (N, classes), on the CPU, of ``pixels`` (N, 3, H, W), without gradients."""
    device = next(network.parameters()).device
    network.eval()
    logits = []
    with torch.no_grad():
        for part in torch.split(pixels, batch_size):
            there = part.to(device, torch.float32, memory_format=torch.channels_last)
            logits.append(network(there).float().cpu())
    return torch.cat(logits)
