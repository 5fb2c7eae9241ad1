"""What a network is trained towards: the labels, and teachers that have seen more of the world."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import nn
from torch.nn import functional

from bloodcell.training.lessons import Lessons


@dataclass(frozen=True)
class Batch:
    """N views of cells, as a network sees them, and what is said of them."""

    views: torch.Tensor
    """float32 (N, 3, H, W)."""
    labels: torch.Tensor
    """int64 (N,), rows of the lessons' ``label_sets``."""
    sources: torch.Tensor
    """int64 (N,)."""
    trust: torch.Tensor
    """float32 (N,): how far the label is believed, 0 to 1."""


Loss: TypeAlias = Callable[[torch.Tensor, Batch], torch.Tensor]
"""Scalar loss of logits (N, C), of classes that are all alike frequent, for a batch."""


def label_losses(
    logits: torch.Tensor, batch: Batch, lessons: Lessons, smoothing: float
) -> torch.Tensor:
    """Weighted loss of each cell, float32 (N,): minus log of the probability of its label.

    Among the classes that its source tells apart; a label of several classes has their sum
    (partial labels, Jin and Ghahramani 2002). ``smoothing`` spreads a part over all of them
    (Szegedy et al. 2016, arXiv 1512.00567).
    """
    seen = logits + lessons.log_prior[batch.sources]
    label = seen.masked_fill(~lessons.label_sets[batch.labels], -torch.inf)
    every = seen.logsumexp(1)
    losses = every - label.logsumexp(1)
    if smoothing:
        told = seen.isfinite()
        spread = every - seen.where(told, 0.0).sum(1) / told.sum(1)
        losses = torch.lerp(losses, spread, smoothing)
    return losses * lessons.weights[batch.sources, batch.labels]


def label_loss(lessons: Lessons, smoothing: float) -> Loss:
    """The mean over a batch by the weights of its labels, each loss as far as it is trusted."""

    def loss(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        losses = label_losses(logits, batch, lessons, smoothing) * batch.trust
        return losses.sum() / lessons.weights[batch.sources, batch.labels].sum()

    return loss


def taught_loss(
    lessons: Lessons, smoothing: float, teachers: Sequence[nn.Module], shares: Sequence[float]
) -> Loss:
    """Part labels, part the teachers' probabilities on the very same views.

    Hinton et al. 2015 (arXiv 1503.02531); the same view for both: Beyer et al. 2022 (arXiv
    2106.05237). ``shares`` are the teachers' parts where a label is trusted; what it is not
    trusted goes to them too.
    """
    for teacher in teachers:
        teacher.eval()
    taught_share = sum(shares)
    mix = torch.tensor(shares).log() - torch.tensor(taught_share).log()

    def loss(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        prior = lessons.log_prior[batch.sources]
        with torch.no_grad():
            answers = [functional.log_softmax(t(batch.views).float() + prior, 1) for t in teachers]
            taught = torch.stack([a + m for a, m in zip(answers, mix, strict=True)]).logsumexp(0)
        own = functional.log_softmax(logits + prior, 1)
        # What a source does not tell has no probability with either, and no divergence.
        terms = torch.where(prior.isfinite(), taught.exp() * (taught - own), 0.0)
        own_share = (1 - taught_share) * batch.trust
        weights = lessons.weights[batch.sources, batch.labels]
        by_labels = label_losses(logits, batch, lessons, smoothing) * own_share
        return by_labels.sum() / weights.sum() + ((1 - own_share) * terms.sum(1)).mean()

    return loss
