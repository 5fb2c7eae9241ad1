"""The training loop: weighted cross entropy, averaged weights, validation by patient."""

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from bloodcell.errors import InputError
from bloodcell.metrics import auroc
from bloodcell.training.augment import augment
from bloodcell.training.resnext import Architecture, ResNeXt

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingOptions:
    """What a training run depends on, besides the images."""

    epochs: int = 18
    batch_size: int = 64
    peak_learning_rate: float = 3e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.05
    average_decay: float = 0.998
    validation_share: float = 0.15
    """Share of the patients (never of the cells) that is held out."""
    seed: int = 1
    architecture: Architecture = field(default_factory=Architecture)


@dataclass(frozen=True)
class Pixels:
    """Normalised images, channels first, with the class index of each, int64 (N,)."""

    pixels: torch.Tensor
    labels: torch.Tensor


class Trainer:
    """Trains a ResNeXt; after every epoch ``folder/checkpoint.pt`` holds all that is needed.

    ``training``: canvases (see ``augment``), float16; ``validation``: the network's exact input;
    ``data``: what else tells this training from another. A second trainer on the same folder
    continues after the last whole epoch. Raises InputError if there are fewer training cells than
    a batch holds, or if the folder belongs to another training.
    """

    def __init__(
        self,
        folder: Path,
        *,
        options: TrainingOptions,
        training: Pixels,
        validation: Pixels,
        class_count: int,
        blast_index: int,
        data: dict[str, str],
    ) -> None:
        if len(training.labels) < options.batch_size:
            raise InputError(
                f"{len(training.labels)} cells are left for training, at least one batch of "
                f"{options.batch_size} is needed: label more cells"
            )
        self.folder, self.options = folder, options
        self.training, self.validation = training, validation
        self.class_count, self.blast_index = class_count, blast_index
        self.job = asdict(options) | data
        self.side_px = validation.pixels.shape[-1]
        torch.manual_seed(options.seed)
        model = ResNeXt(options.architecture, class_count)
        self.model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        average = get_ema_multi_avg_fn(options.average_decay)  # type: ignore[no-untyped-call]
        self.averaged = AveragedModel(self.model, multi_avg_fn=average, use_buffers=True)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=options.peak_learning_rate,
            weight_decay=options.weight_decay,
        )
        self.loss = nn.CrossEntropyLoss(
            self._class_weights(), label_smoothing=options.label_smoothing
        )
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Any] = {}

    def fit(self) -> nn.Module:
        """Train to the last epoch; returns the averaged network of the best epoch, in eval mode."""
        self._restore()
        for epoch in range(len(self.history), self.options.epochs):
            started = time.monotonic()
            training_loss = self._train_epoch(epoch)
            entry = {"epoch": epoch + 1, "training_loss": training_loss, **self._validate()}
            entry["elapsed_s"] = time.monotonic() - started
            self.history.append(entry)
            if entry["blast_auroc"] >= max(past["blast_auroc"] for past in self.history):
                self.best = {k: v.clone() for k, v in self.averaged.module.state_dict().items()}
            self._save()
            log.info(" ".join(f"{key}={value:.4g}" for key, value in entry.items()))
        network = ResNeXt(self.options.architecture, self.class_count)
        network.load_state_dict(self.best)
        return network.eval()

    def _class_weights(self) -> torch.Tensor:
        """Inverse square root of the class size: rare classes count more, but not all alike."""
        counts = torch.bincount(self.training.labels, minlength=self.class_count).float()
        weights = counts.clamp(min=1.0).rsqrt()
        return weights * counts.sum() / (weights * counts).sum()

    def _train_epoch(self, epoch: int) -> float:
        # Seeded by epoch, so that a resumed run draws what an uninterrupted one would.
        torch.manual_seed(self.options.seed * 1_000_003 + epoch)
        generator = torch.Generator().manual_seed(self.options.seed * 7_919 + epoch)
        self.model.train()
        batches = list(self._shuffled(generator))
        total = 0.0
        for step, rows in enumerate(batches):
            for group in self.optimizer.param_groups:
                group["lr"] = self._learning_rate(epoch + step / len(batches))
            canvas = self.training.pixels[rows].float()
            view = augment(canvas, self.side_px, generator)
            logits = self.model(view.contiguous(memory_format=torch.channels_last))
            loss = self.loss(logits, self.training.labels[rows])
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            self.averaged.update_parameters(self.model)
            total += loss.item()
        return total / len(batches)

    def _shuffled(self, generator: torch.Generator) -> Iterator[torch.Tensor]:
        order = torch.randperm(len(self.training.labels), generator=generator)
        size = self.options.batch_size
        # The last, smaller batch is left out: batch statistics of a few cells are noise.
        for start in range(0, len(order) - size + 1, size):
            yield order[start : start + size]

    def _learning_rate(self, epoch: float) -> float:
        """Linear warm-up over the first tenth, then half a cosine down to zero."""
        progress = epoch / self.options.epochs
        if progress < 0.1:
            return self.options.peak_learning_rate * (0.04 + 0.96 * progress / 0.1)
        return (
            self.options.peak_learning_rate * 0.5 * (1 + math.cos(math.pi * (progress - 0.1) / 0.9))
        )

    def _validate(self) -> dict[str, float]:
        logits = infer(self.averaged.module, self.validation.pixels)
        probabilities = torch.softmax(logits, 1).numpy()
        labels = self.validation.labels.numpy()
        blast = self.blast_index
        return {
            "validation_loss": float(nn.functional.cross_entropy(logits, self.validation.labels)),
            "accuracy": float(np.mean(probabilities.argmax(1) == labels)),
            "blast_auroc": auroc(probabilities[:, blast], labels == blast),
        }

    def _save(self) -> None:
        state = {
            "job": self.job,
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": self.history,
            "best": self.best,
        }
        beside = self.folder / "checkpoint.pt.new"
        torch.save(state, beside)
        beside.replace(self.folder / "checkpoint.pt")

    def _restore(self) -> None:
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True)
        if state["job"] != self.job:
            # With another seed, patients held out now may have been trained on before.
            raise InputError(
                f"{path} belongs to a training with other options, scheme or labels: choose a new "
                "--out"
            )
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.history, self.best = state["history"], state["best"]
        log.info("continuing after epoch %d of %s", len(self.history), path)


def infer(network: nn.Module, pixels: torch.Tensor, batch_size: int = 64) -> torch.Tensor:
    """Logits float32 (N, classes) of ``pixels`` (N, 3, H, W), without gradients."""
    network.eval()
    with torch.no_grad():
        return torch.cat(
            [
                network(part.float().contiguous(memory_format=torch.channels_last))
                for part in torch.split(pixels, batch_size)
            ]
        )
