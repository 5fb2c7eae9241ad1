"""How cells that are no blasts are told apart: by sources whose labels are by experts."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bloodcell.engine.probabilities import calibrated_probabilities
from bloodcell.scheme import Scheme
from bloodcell.training.validation import kept_figures

RESTS_ON = (
    "the cells of [metrics.kept]; the figures there are by the ratios of the other four fifths"
)
"""What a card says of its prior ratios."""

_PARTS = 5
_FEWEST_CELLS = 20
"""Of a class that is fitted."""
_DECAY = 5e-4
_LEAN = 0.125
"""Exponent of how often a class occurs among the first source's cells: in doubt the more frequent
one is called. Decay and lean were taken for the kept cells of ``jhu18-differential-160``, two
numbers for 3,094 cells."""


@dataclass(frozen=True)
class KeptCells:
    """K cells of further sources, none of which a network learnt from."""

    logits: torch.Tensor
    """float32 (K, C), with the calibration's offsets."""
    label_sets: torch.Tensor
    """Bool (K, C): the classes that each one's label stands for."""
    sources: npt.NDArray[np.str_]
    """(K,), their names."""

    def where(self, chosen: npt.NDArray[np.bool_]) -> "KeptCells":
        """The cells where ``chosen``, bool (K,), is true."""
        rows = torch.from_numpy(chosen)
        return KeptCells(self.logits[rows], self.label_sets[rows], self.sources[chosen])


def occurrence_of(labels: npt.NDArray[np.int64], classes: int) -> torch.Tensor:
    """Logarithm of each class's share among ``labels``, (N,), one cell at least; float32 (C,)."""
    counts = torch.from_numpy(np.bincount(labels, minlength=classes)).clamp(min=1)
    return (counts / counts.sum()).log().float()


def fit_prior_ratios(
    kept: KeptCells, temperature: float, occurrence: torch.Tensor, is_blast: npt.NDArray[np.bool_]
) -> tuple[float, ...]:
    """The ``prior_ratios`` of each class, (C,), 0 of blasts; empty if no class has cells enough.

    Those of the smallest log loss among the classes that are no blasts, drawn towards 1. Blasts
    keep their probability: how many there are only patients can tell, so cells labelled as blasts
    say nothing here. ``occurrence``: see ``occurrence_of``.
    """
    others = torch.from_numpy(~is_blast)
    kept = kept.where((kept.label_sets & others).any(1).numpy())
    is_fitted = others & (kept.label_sets.sum(0) >= _FEWEST_CELLS)
    if not is_fitted.any():
        return ()
    scaled = kept.logits.masked_fill(~others, -torch.inf) / temperature
    fitted = torch.zeros(int(is_fitted.sum()), requires_grad=True)
    optimizer = torch.optim.LBFGS([fitted], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        raised = scaled + torch.zeros(len(others)).masked_scatter(is_fitted, fitted)
        of_label = raised.masked_fill(~kept.label_sets, -torch.inf).logsumexp(1)
        total = (raised.logsumexp(1) - of_label).mean() + _DECAY * fitted.square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    raised = torch.zeros(len(others)).masked_scatter(is_fitted, fitted.detach())
    ratios = (raised + _LEAN * occurrence).exp() * others
    return tuple(round(ratio, 4) for ratio in ratios.tolist())


def called_by_others(
    kept: KeptCells, temperature: float, occurrence: torch.Tensor, is_blast: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """The class called of each kept cell, (K,), each fifth by the ratios of the other four."""
    part = np.arange(len(kept.logits)) % _PARTS
    called = np.empty(len(part), np.int64)
    for own in (part == number for number in range(_PARTS)):
        ratios = fit_prior_ratios(kept.where(~own), temperature, occurrence, is_blast)
        logits = kept.where(own).logits.numpy()
        called[own] = calibrated_probabilities(logits, temperature, ratios).argmax(1)
    return called


def figures_by_source(
    kept: KeptCells, called: npt.NDArray[np.int64], scheme: Scheme
) -> dict[str, dict[str, Any]]:
    """``[metrics.kept]``: what ``kept_figures`` says of each source."""
    label_sets = kept.label_sets.numpy()
    return {
        name: kept_figures(called[kept.sources == name], label_sets[kept.sources == name], scheme)
        for name in np.unique(kept.sources).tolist()
    }
