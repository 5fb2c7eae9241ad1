"""What each cell teaches: the classes its label stands for, and how often and how far it counts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from bloodcell.training.recipe import Sampling
from bloodcell.training.sources import SourceCells


@dataclass(frozen=True)
class Cells:
    """The N cells of S sources, one source after another, in a scheme of C classes."""

    label_sets: torch.Tensor
    """Bool (L, C): the classes that each label stands for; the first C labels are the classes."""
    told: torch.Tensor
    """Bool (S, C): the classes that the labels of each source tell apart."""
    labels: torch.Tensor
    """int64 (N,), rows of ``label_sets``."""
    sources: torch.Tensor
    """int64 (N,), rows of ``told``."""
    patients: npt.NDArray[np.str_]
    """(N,), empty names where a source states none."""


def gather(sources: list[SourceCells], codes: list[str]) -> Cells:
    """Put the cells of ``sources`` one after another, their labels as sets of ``codes``."""
    singles: list[tuple[str, ...]] = [(code,) for code in codes]
    several = {to for one in sources for to in one.classes.values() if len(to) > 1}
    sets = {to: number for number, to in enumerate([*singles, *sorted(several)])}
    labels = [sets[one.classes[label]] for one in sources for label in one.labels.tolist()]
    return Cells(
        label_sets=torch.from_numpy(np.array([[code in to for code in codes] for to in sets])),
        told=torch.from_numpy(np.array([[code in one.tells for code in codes] for one in sources])),
        labels=torch.tensor(labels),
        sources=torch.repeat_interleave(torch.tensor([len(one.labels) for one in sources])),
        patients=np.concatenate([one.patients for one in sources]),
    )


@dataclass(frozen=True)
class Lessons:
    """Tables by source, label and class that the losses look up.

    A network's logits are those of classes that are all alike frequent: what a source's sampling
    and weights make of them, ``log_prior``, is added while it learns (Menon et al. 2021, arXiv
    2007.07314), and ``occurrence`` in the end.
    """

    label_sets: torch.Tensor
    """As of ``Cells``."""
    weights: torch.Tensor
    """float32 (S, L): of a cell of that source and label in the loss."""
    log_prior: torch.Tensor
    """float32 (S, C): log of the share of each class in what a source shows, minus infinity where
    its labels do not tell the class."""
    occurrence: torch.Tensor
    """float32 (C,): log of the share of each class among the cells of the first source."""

    def to(self, device: torch.device) -> "Lessons":
        """The same tables on ``device``."""
        return Lessons(*(table.to(device) for table in vars(self).values()))


def lessons_of(
    cells: Cells, samplings: Sequence[Sampling], rows: torch.Tensor, trust: torch.Tensor
) -> Lessons:
    """What the cells ``rows``, int64 (n,), teach together, each weighing as its ``trust`` (N,)."""
    shape = len(cells.told), len(cells.label_sets)
    place = cells.sources[rows] * shape[1] + cells.labels[rows]
    counts = torch.bincount(place, trust[rows], minlength=shape[0] * shape[1]).view(shape).float()
    weights = torch.stack(
        [class_weights(n) if how == "cells" else torch.ones(len(n))
         for n, how in zip(counts, samplings, strict=True)]
    )  # fmt: skip
    shown = torch.stack(
        [n * w if how == "cells" else (n > 0).float()
         for n, w, how in zip(counts, weights, samplings, strict=True)]
    )  # fmt: skip
    sets = cells.label_sets.float()
    by_class = sets / sets.sum(1, keepdim=True)
    # A class that occurs nowhere counts as if it had one cell, which weighs most.
    prior = (shown @ by_class).maximum(weights.amax(1, keepdim=True)) * cells.told
    log_prior = (prior / prior.sum(1, keepdim=True)).log()
    occurring = (counts[0] @ by_class).clamp(min=1.0)
    return Lessons(
        label_sets=cells.label_sets,
        weights=weights,
        log_prior=log_prior,
        occurrence=(occurring / occurring.sum()).log(),
    )


def class_weights(counts: torch.Tensor) -> torch.Tensor:
    """Inverse square root of each label's count (L,), 1 on average over cells; float32 (L,).

    Rare classes count more, but not all alike. A label without cells weighs as one with one.
    """
    weights = counts.clamp(min=1.0).rsqrt()
    return weights * counts.sum().clamp(min=1.0) / (weights * counts).sum().clamp(min=1e-6)
