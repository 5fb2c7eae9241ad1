"""Cells of made-up labels, and what they teach."""

import numpy as np
import torch

from bloodcell.training.lessons import Cells, Lessons, lessons_of


def cells_of(labels: list[int], classes: int, patients: list[str] | None = None) -> Cells:
    """Cells of one source that tells all ``classes``, each label a class."""
    return Cells(
        label_sets=torch.eye(classes, dtype=torch.bool),
        told=torch.ones(1, classes, dtype=torch.bool),
        labels=torch.tensor(labels),
        sources=torch.zeros(len(labels), dtype=torch.int64),
        patients=np.array(patients or ["p"] * len(labels)),
    )


def lessons_for(cells: Cells) -> Lessons:
    """What all of them teach, each trusted and seen once an epoch."""
    everything = torch.arange(len(cells.labels))
    samplings = ["cells"] * len(cells.told)
    return lessons_of(cells, samplings, everything, torch.ones(len(everything)))
