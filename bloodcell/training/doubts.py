"""How far each label is to be believed, by classifiers that never saw its patient.

Confident learning (see ``label_doubts``) with features of networks that were not trained on the
cells. A label is doubted where all of two or more unlike classifiers doubt it.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from bloodcell.errors import InputError
from bloodcell.folds import fold_of_patients
from bloodcell.label_doubts import label_doubts
from bloodcell.training.lessons import Cells, lessons_of
from bloodcell.training.losses import Batch
from bloodcell.training.softmax_regression import fit_softmax_regression

_FOLDS = 6
_FEWEST_PATIENTS = 2
"""Of the first source: a label is judged by classifiers that learnt from other patients."""
_ANCHORS = 250
_DECAY = 2e-2
_SHARE_OF_JUDGED = 0.6
"""Of the first source in the loss; the others, whose labels anchor what a class is, share the
rest."""

Floats = npt.NDArray[np.float32]


class Doubts(NamedTuple):
    """Of the n cells of the first source that were asked for, in their order."""

    doubt: Floats
    """(n,), the mean over the classifiers; see ``label_doubts``."""
    is_doubted: npt.NDArray[np.bool_]
    """(n,): by all classifiers."""
    likeliest: npt.NDArray[np.int64]
    """(n,): the class with the largest mean probability."""


@dataclass(frozen=True)
class Evidence:
    """What doubts rest on: cells, and the features that each family has of some of them."""

    cells: Cells
    rows: torch.Tensor
    """int64 (M,), ascending: the cells that have features."""
    features: list[torch.Tensor]
    """float16 (M, F) of each family."""
    blast_index: int | None


def rows_with_evidence(cells: Cells, may_be_learnt: torch.Tensor) -> torch.Tensor:
    """All cells of the first source, of others so many of each label as anchor what it is.

    ``may_be_learnt``: bool (N,); of other sources no other cells are taken.
    """
    taken = cells.sources == 0
    for source in range(1, len(cells.told)):
        own = may_be_learnt & (cells.sources == source)
        for label in cells.labels[own].unique().tolist():  # type: ignore[no-untyped-call]
            taken[torch.nonzero(own & (cells.labels == label)).flatten()[:_ANCHORS]] = True
    return torch.nonzero(taken).flatten()


def doubts_of(evidence: Evidence, rows: torch.Tensor) -> Doubts:
    """Doubts of those of ``rows``, int64 (n,) ascending, that are of the first source.

    The classifiers see no other cells than ``rows``, and of the first source those of other
    patients alone. Raises InputError if there is but one.
    """
    cells = evidence.cells
    rows = rows[torch.isin(rows, evidence.rows)]
    judged = rows[cells.sources[rows] == 0]
    labels = cells.labels[judged].numpy()
    members = cells.label_sets[labels].numpy()
    every = [_out_of_fold(evidence, features, rows) for features in evidence.features]
    each = [label_doubts(probabilities, members) for probabilities in every]
    mean = np.mean(every, axis=0)
    return Doubts(
        np.mean([one.doubt for one in each], axis=0).astype(np.float32),
        np.all([one.is_doubted for one in each], axis=0),
        mean.argmax(axis=1),
    )


def _out_of_fold(evidence: Evidence, features: torch.Tensor, rows: torch.Tensor) -> Floats:
    """Probabilities (n, C) of the first source's cells of ``rows``, by their occurrence."""
    cells = evidence.cells
    is_judged = cells.sources[rows] == 0
    fold = torch.full((len(rows),), -1)
    fold[is_judged] = torch.from_numpy(_folds(evidence, rows[is_judged]))
    probabilities = torch.empty(int(is_judged.sum()), cells.told.shape[1])
    for number in range(int(fold.max()) + 1):
        held_out = fold == number
        answers = _answers(evidence, features, rows[~held_out], rows[held_out])
        probabilities[fold[is_judged] == number] = answers
    return probabilities.numpy()


def _folds(evidence: Evidence, judged: torch.Tensor) -> npt.NDArray[np.int64]:
    names, number = np.unique(evidence.cells.patients[judged.numpy()], return_inverse=True)
    is_blast = evidence.cells.labels[judged].numpy() == evidence.blast_index
    if len(names) < _FEWEST_PATIENTS:
        raise InputError(
            f"doubts need {_FEWEST_PATIENTS} patients of the first source to learn from and more: "
            f"{len(names)} given in one fold"
        )
    share = np.bincount(number, is_blast) / np.bincount(number)
    return fold_of_patients(share, min(_FOLDS, len(names)))[number]


def _answers(
    evidence: Evidence, features: torch.Tensor, known: torch.Tensor, asked: torch.Tensor
) -> torch.Tensor:
    cells = evidence.cells
    seen, unseen = (
        features[torch.searchsorted(evidence.rows, rows)].float() for rows in (known, asked)
    )
    mean, deviation = seen.mean(0), seen.std(0).clamp(min=1e-6)
    count = len(cells.told)
    trust = torch.ones(len(cells.labels))
    lessons = lessons_of(cells, ["cells"] * count, known, trust)
    others = (1 - _SHARE_OF_JUDGED) / max(count - 1, 1)
    shares = torch.tensor([_SHARE_OF_JUDGED] + [others] * (count - 1))
    batch = Batch(torch.empty(0), cells.labels[known], cells.sources[known], trust[known])
    weights, biases = fit_softmax_regression(
        (seen - mean) / deviation, batch, lessons, shares, decay=_DECAY
    )
    logits = ((unseen - mean) / deviation) @ weights + biases
    return torch.softmax(logits + lessons.occurrence, 1)
