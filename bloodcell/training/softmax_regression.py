"""Softmax regression on features of a network that was not trained on the cells."""

import torch

from bloodcell.training.lessons import Lessons
from bloodcell.training.losses import Batch, label_losses

_ITERATIONS = 40


def fit_softmax_regression(
    features: torch.Tensor, batch: Batch, lessons: Lessons, shares: torch.Tensor, decay: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights (F, C) and biases (C,) with the smallest mean loss by ``label_losses``.

    ``features`` float32 (N, F), standardised; ``batch`` says what they are of, its views are not
    looked at. ``shares`` (S,): of each source in the loss. ``decay``: of the squared weights.
    """
    classes = lessons.log_prior.shape[1]
    weights = torch.zeros(features.shape[1], classes, requires_grad=True)
    biases = torch.zeros(classes, requires_grad=True)
    own = lessons.weights[batch.sources, batch.labels]
    total = torch.zeros(len(shares)).index_add_(0, batch.sources, own)
    scale = (shares / total.clamp(min=1e-6))[batch.sources] * batch.trust
    optimizer = torch.optim.LBFGS(
        [weights, biases], max_iter=_ITERATIONS, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        losses = label_losses(features @ weights + biases, batch, lessons, 0.0)
        value = (losses * scale).sum() + decay * weights.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return weights.detach(), biases.detach()
