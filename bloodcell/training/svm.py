"""A linear support vector machine in place of a network's last layer.

Linear, so that it is that layer: every backend runs it, and no features of cells lie in the model,
as the support vectors of other kernels would. One class against the rest, by scikit-learn.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from bloodcell.architectures.network import CellNetwork
from bloodcell.errors import InputError
from bloodcell.training.fit import penultimate_features

_COST = 0.01
"""Of an error, on standardised features; chosen before any network was judged with it."""
_ITERATIONS = 5000
_NEVER = -2.0
"""Decision for a class without cells: below the margin, which is at -1."""
_ROWS = 512

Array: TypeAlias = npt.NDArray[Any]


def fit_svm_head(
    network: CellNetwork,
    pixels_of: Callable[[torch.Tensor], torch.Tensor],
    rows: torch.Tensor,
    labels: torch.Tensor,
    trust: torch.Tensor,
) -> None:
    """Let the last layer of ``network`` give the decisions of machines fitted to its features.

    ``pixels_of``: the exact input of row numbers; ``rows`` int64 (n,), of cells of one class each,
    ``labels`` int64 (n,), ``trust`` float32 (n,): how much each counts. Raises InputError for
    fewer than two classes.
    """
    parts = [penultimate_features(network, pixels_of(some)) for some in torch.split(rows, _ROWS)]
    features = torch.cat(parts).double().numpy()
    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread[spread < 1e-6] = 1.0
    known, weights, bias = _machines((features - mean) / spread, labels.numpy(), trust.numpy())
    layer = network.last
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.fill_(_NEVER)
        layer.weight[known] = torch.from_numpy(weights / spread).float()
        layer.bias[known] = torch.from_numpy(bias - weights @ (mean / spread)).float()


def _machines(features: Array, labels: Array, trust: Array) -> tuple[Array, Array, Array]:
    """Classes that occur (K,), and for each the weights (K, F) and the bias (K,)."""
    from sklearn.svm import LinearSVC

    if len(np.unique(labels)) < 2:
        raise InputError("a support vector machine needs cells of two classes at least")
    machine = LinearSVC(C=_COST, class_weight="balanced", max_iter=_ITERATIONS, random_state=0)
    machine.fit(features, labels, sample_weight=trust)
    weights, bias = machine.coef_, machine.intercept_
    if len(machine.classes_) == 2:  # one machine tells two classes apart
        weights, bias = np.concatenate([-weights, weights]), np.concatenate([-bias, bias])
    return machine.classes_, weights, bias
