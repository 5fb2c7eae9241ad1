"""What a network is trained towards: the labels, and a teacher that has seen more of the world."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import nn
from torch.nn import functional

Loss: TypeAlias = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Scalar loss of logits (N, C) for views (N, 3, H, W) with labels int64 (N,)."""


def class_weights(labels: torch.Tensor, classes: int) -> torch.Tensor:
    """Inverse square root of each class's size, 1 on average over cells; float32 (classes,).

    Rare classes count more, but not all alike. A class without cells weighs as one with one.
    """
    counts = torch.bincount(labels, minlength=classes).float()
    weights = counts.clamp(min=1.0).rsqrt()
    return weights * counts.sum() / (weights * counts).sum()


def label_loss(weights: torch.Tensor, smoothing: float) -> Loss:
    """Weighted cross entropy with smoothed labels (Szegedy et al. 2016, arXiv 1512.00567)."""
    cross_entropy = nn.CrossEntropyLoss(weights, label_smoothing=smoothing)
    return lambda logits, _views, labels: cross_entropy(logits, labels)


def taught_loss(by_labels: Loss, teacher: nn.Module, share: float) -> Loss:
    """Part labels, part a teacher's probabilities on the very same view.

    Hinton et al. 2015 (arXiv 1503.02531); the same view for both: Beyer et al. 2022
    (arXiv 2106.05237). ``share`` is the teacher's part.
    """
    teacher.eval()

    def loss(logits: torch.Tensor, views: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            taught = functional.log_softmax(teacher(views).float(), 1)
        divergence = functional.kl_div(
            functional.log_softmax(logits, 1), taught, reduction="batchmean", log_target=True
        )
        return torch.lerp(by_labels(logits, views, labels), divergence, share)

    return loss
