"""What a network is trained towards: the labels, and teachers that have seen more of the world."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import nn
from torch.nn import functional


class Batch(NamedTuple):
    """What a network is shown.

    ``views``: float32 (N, 3, H, W), cut from the cells that are ``rows``, int64 (N,) on the CPU,
    of the task; ``labels``: int64 (N,).
    """

    views: torch.Tensor
    labels: torch.Tensor
    rows: torch.Tensor


class Loss(Protocol):
    """Scalar loss of the logits (N, C) of a batch."""

    def __call__(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor: ...  # noqa: D102


def class_weights(labels: torch.Tensor, classes: int) -> torch.Tensor:
    """Inverse square root of each class's size, 1 on average over cells; float32 (classes,).

    Rare classes count more, but not all alike. A class without cells weighs as one with one.
    """
    counts = torch.bincount(labels, minlength=classes).float()
    weights = counts.clamp(min=1.0).rsqrt()
    return weights * counts.sum() / (weights * counts).sum()


class LabelLoss:
    """Weighted cross entropy with smoothed labels (Szegedy et al. 2016, arXiv 1512.00567)."""

    def __init__(self, weights: torch.Tensor, smoothing: float) -> None:
        self._weights, self._smoothing = weights, smoothing

    def __call__(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """See ``Loss``."""
        return functional.cross_entropy(
            logits, batch.labels, self._weights, label_smoothing=self._smoothing
        )


class Teacher(NamedTuple):
    """A network that learnt from one ``fold``; ``log_prior``: see ``Task``, that of its cells."""

    network: nn.Module
    fold: int
    log_prior: torch.Tensor


class TaughtLoss:
    """Part labels, part the probabilities of teachers that never saw the patient.

    A teacher says of cells that it learnt from what their labels say, faults and all; of other
    patients it says what it has learnt (Dao et al. 2021, arXiv 2104.09732). Of a cell whose fold
    is ``fold_of_cell``, int64 (cells,), those of all other folds say it, on average, on the very
    view that the network sees (Hinton et al. 2015, arXiv 1503.02531; Beyer et al. 2022, arXiv
    2106.05237), for the ``log_prior`` of the network's task. ``share`` is the teachers' part.
    """

    def __init__(
        self,
        label_loss: Loss,
        teachers: Sequence[Teacher],
        *,
        fold_of_cell: torch.Tensor,
        log_prior: torch.Tensor,
        share: float,
    ) -> None:
        self._label_loss, self._teachers, self._share = label_loss, teachers, share
        self._fold_of_cell, self._log_prior = fold_of_cell, log_prior

    def __call__(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """See ``Loss``."""
        divergence = functional.kl_div(
            functional.log_softmax(logits, 1), self._taught(batch), reduction="batchmean"
        )
        return torch.lerp(self._label_loss(logits, batch), divergence, self._share)

    @torch.no_grad()
    def _taught(self, batch: Batch) -> torch.Tensor:
        fold = self._fold_of_cell[batch.rows].to(batch.views.device)
        total = torch.zeros(len(fold), len(self._log_prior), device=fold.device)
        for teacher in self._teachers:
            unseen = torch.nonzero(fold != teacher.fold).flatten()
            views = batch.views[unseen].contiguous(memory_format=torch.channels_last)
            shift = (self._log_prior - teacher.log_prior).to(fold.device)
            total[unseen] += torch.softmax(teacher.network(views).float() + shift, 1)
        return total / total.sum(1, keepdim=True)
