"""The training loop: augmented views, averaged weights, validation by patient, exact resume."""

import copy
import io
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from bloodcell.architectures.network import CellNetwork
from bloodcell.engine.machine import is_faster_in_bfloat16
from bloodcell.errors import InputError
from bloodcell.files import write_whole
from bloodcell.metrics import auroc
from bloodcell.training.augment import augment
from bloodcell.training.checkpoint import CHECKPOINT, check_job
from bloodcell.training.losses import Batch, Loss
from bloodcell.training.recipe import Course
from bloodcell.training.task import Task

_LOG = logging.getLogger(__name__)


class Trainer:
    """Trains a network; after every epoch ``folder/checkpoint.pt`` holds all that is needed.

    ``epochs``: of the course's at most so many. ``job``: what tells this training from any
    other. A second trainer on the same folder continues after the last whole epoch and ends with
    the same weights. ``steps_done`` is told of batches, those of earlier sessions too. Raises
    InputError if there are fewer training cells than a batch holds, if the folder belongs to
    another training, or if a loss is no longer finite; DiskError if a checkpoint cannot be written
    whole.
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
        layer_decay: float = 1.0,
    ) -> None:
        self.batches = task.batches_an_epoch(course.batch_size)
        self.folder, self.task, self.course, self.loss = folder, task, course, loss
        self.epochs, self.seed, self.job, self.steps_done = epochs, seed, job, steps_done
        self.device = next(network.parameters()).device
        self.model = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = AveragedModel(self.model, multi_avg_fn=self._average, use_buffers=True)
        groups = parameter_groups(network, layer_decay)
        self.optimizer = torch.optim.AdamW(groups, weight_decay=course.weight_decay)
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
            self._refuse_divergence(entry)
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
        batches = self.task.batches(self.course.batch_size, order)
        # Summed where it is computed: a number read off a GPU waits for all that it has to do.
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        for step, rows in enumerate(batches):
            for group in self.optimizer.param_groups:
                group["lr"] = group["scale"] * self._learning_rate(epoch + step / len(batches))
            total += self._train_batch(rows, self._side_px(epoch), views)
            self.steps_done(1)
        return float(total) / len(batches)

    def _train_batch(
        self, rows: torch.Tensor, side_px: int, generator: torch.Generator
    ) -> torch.Tensor:
        task = self.task
        canvas = task.normalised(task.canvases[rows].to(self.device))
        view = augment(canvas, side_px, task.region, task.stain_strength, generator)
        batch = Batch(
            view.contiguous(memory_format=torch.channels_last),
            task.cells.labels[rows].to(self.device),
            task.cells.sources[rows].to(self.device),
            task.trust[rows].to(self.device),
        )
        with mixed_precision(self.device):
            logits = self.model(batch.views)
            loss = self.loss(logits.float(), batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.averaged.update_parameters(self.model)
        return loss.detach()

    def _average(self, averaged: Any, current: Any, _count: Any) -> None:
        """Step n keeps ``min(average_decay, (1 + n) / (10 + n))`` of the average.

        Otherwise the random start weighs for epochs, the validation loss of the average rises, and
        early stopping takes that for over-fitting. The rule is that of TensorFlow's
        ``ExponentialMovingAverage(num_updates=...)``. The count that is handed over lies on the
        GPU, and reading it would wait for all that the GPU has to do; its original does not.
        """
        done = int(self.averaged.n_averaged)
        kept = min(self.course.average_decay, (1.0 + done) / (10.0 + done))
        get_ema_multi_avg_fn(kept)(averaged, current, _count)  # type: ignore[no-untyped-call]

    def _side_px(self, epoch: int) -> int:
        """Small views first, which cost less (Tan and Le 2021, arXiv 2104.00298).

        Even the last ones may be smaller than the network's input: it does best on cells a little
        larger than those it learnt from (Touvron et al. 2019, arXiv 1906.06423).
        """
        return self.course.sides_px[min(3 * epoch // self.course.epochs, 2)]

    def _learning_rate(self, epoch: float) -> float:
        """Linear warm-up over the first tenth, then half a cosine down to zero."""
        progress = epoch / self.course.epochs
        peak = self.course.peak_learning_rate
        if progress < 0.1:
            return peak * (0.04 + 0.96 * progress / 0.1)
        return peak * 0.5 * (1 + math.cos(math.pi * (progress - 0.1) / 0.9))

    def _validate(self) -> dict[str, float]:
        task = self.task
        if not len(task.held_out):
            return {}
        with mixed_precision(self.device):
            logits = infer(self.averaged.module, task.held_out_pixels) + task.lessons.occurrence
        label_sets = task.cells.label_sets[task.cells.labels[task.held_out]]
        log_probabilities = torch.log_softmax(logits, 1)
        of_label = log_probabilities.masked_fill(~label_sets, -torch.inf).logsumexp(1)
        is_right = label_sets.gather(1, logits.argmax(1, keepdim=True))
        figures = {
            "validation_loss": float(-of_label.mean()),
            "accuracy": float(is_right.float().mean()),
        }
        if task.blast_index is None:
            return figures
        blasts = log_probabilities[:, task.blast_index].numpy()
        is_blast = label_sets[:, task.blast_index].numpy()
        return figures | {"blast_auroc": auroc(blasts, is_blast)}

    def _refuse_divergence(self, entry: dict[str, float]) -> None:
        losses = [entry[name] for name in ("training_loss", "validation_loss") if name in entry]
        if not all(map(math.isfinite, losses)):
            raise InputError(
                f"{self.folder}: the loss is not finite in epoch {entry['epoch']:.0f}, the "
                "training diverges: lower peak_learning_rate "
                f"({self.course.peak_learning_rate:g}) in the recipe and choose a new --out"
            )

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
        write_whole(self.folder / CHECKPOINT, lambda path: path.write_bytes(content.getbuffer()))

    def _restore(self) -> None:
        path = self.folder / CHECKPOINT
        if not path.exists():
            return
        state = torch.load(path, weights_only=True, map_location=self.device)
        check_job(path, state["job"], self.job)
        for entry in state["history"]:
            self._refuse_divergence(entry)
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.history, self.best = state["history"], state["best"]
        self.steps_done(len(self.history) * self.batches)
        _LOG.info("continuing after epoch %d of %s", len(self.history), path)


def parameter_groups(network: nn.Module, layer_decay: float) -> list[dict[str, Any]]:
    """The weights by block, each with the ``scale`` of its learning rate.

    The scale is 1 for what comes after the last block and falls by ``layer_decay`` from block to
    block towards the pixels (Howard and Ruder 2018, arXiv 1801.06146).
    """
    if layer_decay == 1.0:
        return [{"params": list(network.parameters()), "scale": 1.0}]
    depths = network.depths()  # type: ignore[operator]
    most = max(depths.values())
    groups: dict[int, list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        groups.setdefault(depths[name], []).append(parameter)
    return [
        {"params": own, "scale": layer_decay ** (most - depth)} for depth, own in groups.items()
    ]


def training_device() -> torch.device:
    """A CUDA GPU where torch finds one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def near(canvases: torch.Tensor, device: torch.device) -> torch.Tensor:
    """``canvases`` in the memory of ``device`` if they take less than half of what is free there.

    Batches are then cut where they are needed: to copy them takes longer than to learn from them.
    """
    if device.type == "cuda" and 2 * canvases.nbytes < torch.cuda.mem_get_info(device)[0]:
        return canvases.to(device)
    return canvases


def mixed_precision(device: torch.device) -> torch.autocast:
    """Bfloat16 where it is safe, on a GPU and on a CPU that is faster in it."""
    capable = device.type == "cuda" or is_faster_in_bfloat16()
    return torch.autocast(device.type, torch.bfloat16, enabled=capable)


def penultimate_features(network: CellNetwork, pixels: torch.Tensor) -> torch.Tensor:
    """What the last layer sees of ``pixels`` (N, 3, H, W): float32 (N, F), on the CPU."""

    class Features(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, there: torch.Tensor) -> torch.Tensor:
            return network.penultimate(there)

    return infer(Features(), pixels)


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
