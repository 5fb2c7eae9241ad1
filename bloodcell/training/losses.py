"""What a network is trained towards: the labels, and teachers that have seen more of the world."""

from typing import Protocol

import torch
from torch.nn import functional


class Loss(Protocol):
    """Scalar loss of logits (N, C) for cells that are labelled ``labels``, int64 (N,).

    ``rows``, int64 (N,) on the CPU: which cells of the task they are.
    """

    def __call__(  # noqa: D102
        self, logits: torch.Tensor, labels: torch.Tensor, rows: torch.Tensor
    ) -> torch.Tensor: ...


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

    def __call__(
        self,
        logits: torch.Tensor,
        labels: torch.Tensor,
        rows: torch.Tensor,  # noqa: ARG002
    ) -> torch.Tensor:
        """See ``Loss``."""
        return functional.cross_entropy(
            logits, labels, self._weights, label_smoothing=self._smoothing
        )


class TaughtLoss:
    """Part labels, part what teachers said of the cells (Hinton et al. 2015, arXiv 1503.02531).

    ``taught``: float32 (cells, C), log-probabilities. ``share`` is the teachers' part.
    """

    def __init__(self, label_loss: Loss, taught: torch.Tensor, share: float) -> None:
        self._label_loss, self._taught, self._share = label_loss, taught, share

    def __call__(
        self, logits: torch.Tensor, labels: torch.Tensor, rows: torch.Tensor
    ) -> torch.Tensor:
        """See ``Loss``."""
        divergence = functional.kl_div(
            functional.log_softmax(logits, 1),
            self._taught[rows].to(logits.device),
            reduction="batchmean",
            log_target=True,
        )
        return torch.lerp(self._label_loss(logits, labels, rows), divergence, self._share)
