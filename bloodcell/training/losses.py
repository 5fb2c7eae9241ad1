"""What a network is trained towards: the labels, and a teacher that has seen more of the world."""

from typing import Protocol

import torch
from torch import nn
from torch.nn import functional


class Loss(Protocol):
    """Scalar loss of logits (N, C) for views (N, 3, H, W) with labels int64 (N,)."""

    def __call__(  # noqa: D102
        self, logits: torch.Tensor, views: torch.Tensor, labels: torch.Tensor
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
        views: torch.Tensor,  # noqa: ARG002
        labels: torch.Tensor,
    ) -> torch.Tensor:
        """See ``Loss``."""
        return functional.cross_entropy(
            logits, labels, self._weights, label_smoothing=self._smoothing
        )


class TaughtLoss:
    """Part labels, part a teacher's probabilities on the very same view.

    Hinton et al. 2015 (arXiv 1503.02531); the same view for both: Beyer et al. 2022
    (arXiv 2106.05237). ``share`` is the teacher's part.
    """

    def __init__(self, label_loss: Loss, teacher: nn.Module, share: float) -> None:
        self._label_loss, self._teacher, self._share = label_loss, teacher.eval(), share

    def __call__(
        self, logits: torch.Tensor, views: torch.Tensor, labels: torch.Tensor
    ) -> torch.Tensor:
        """See ``Loss``."""
        with torch.no_grad():
            taught = functional.log_softmax(self._teacher(views).float(), 1)
        divergence = functional.kl_div(
            functional.log_softmax(logits, 1), taught, reduction="batchmean", log_target=True
        )
        return torch.lerp(self._label_loss(logits, views, labels), divergence, self._share)
