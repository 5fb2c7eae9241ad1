"""Cells to learn from and cells of other patients to judge by, and the batches of an epoch."""

from dataclasses import dataclass

import torch

from bloodcell.errors import InputError
from bloodcell.training.lessons import Cells, Lessons
from bloodcell.training.recipe import Sampling


@dataclass(frozen=True)
class Task:
    """Of N cells, some to learn from and some to judge by."""

    canvases: torch.Tensor
    """uint8 (N, 3, S, S): what views are cut from (see ``augment``)."""
    cells: Cells
    trust: torch.Tensor
    """float32 (N,): how far each label is believed, 0 to 1."""
    training: torch.Tensor
    """int64, ascending row numbers."""
    held_out: torch.Tensor
    """int64, row numbers; may be empty: then nothing is judged."""
    held_out_pixels: torch.Tensor
    """float32 (H, 3, input_px, input_px): the exact input of these."""
    lessons: Lessons
    samplings: tuple[Sampling, ...]
    """Of each source."""
    shares: tuple[float, ...]
    """Of each source in a batch."""
    mean: torch.Tensor
    """float32 (3,), of the colours, 0 to 1; subtracted from them."""
    std: torch.Tensor
    """float32 (3,), divides them."""
    region: float
    """Of the canvas, which a network sees."""
    stain_strength: float
    blast_index: int | None
    """The class whose ranking is followed, if the scheme has blasts."""

    def normalised(self, canvas: torch.Tensor) -> torch.Tensor:
        """Bytes (N, 3, S, S) as a network sees colours, float32, on their device."""
        mean, std = (v.to(canvas.device).view(3, 1, 1) for v in (self.mean, self.std))
        return (canvas.float() / 255 - mean) / std

    def batches_an_epoch(self, batch_size: int) -> int:
        """As many as show each cell of the first source once; InputError if that is none."""
        cells = len(self._rows_of(0))
        batches = cells // self.counts(batch_size)[0]
        if not batches:
            raise InputError(
                f"{cells} cells are left for training, at least one batch of {batch_size} is "
                "needed: label more cells"
            )
        return batches

    def batches(self, batch_size: int, generator: torch.Generator) -> torch.Tensor:
        """The cells of one epoch, int64 (batches, batch_size), each source with its share.

        Batches are whole: batch statistics of a few cells are noise.
        """
        count = self.batches_an_epoch(batch_size)
        columns = []
        for source, (own, sampling) in enumerate(
            zip(self.counts(batch_size), self.samplings, strict=True)
        ):
            rows, drawn = self._rows_of(source), count * own
            if not len(rows):
                raise InputError(f"source {source + 1} of the recipe has no cell to learn from")
            if sampling == "cells":
                rounds = -(-drawn // len(rows))
                order = [
                    rows[torch.randperm(len(rows), generator=generator)] for _ in range(rounds)
                ]
                columns.append(torch.cat(order)[:drawn].view(count, own))
            else:
                columns.append(self._by_label(rows, drawn, generator).view(count, own))
        return torch.cat(columns, 1)

    def _rows_of(self, source: int) -> torch.Tensor:
        return self.training[self.cells.sources[self.training] == source]

    def counts(self, batch_size: int) -> list[int]:
        """Cells of each source in a batch."""
        counts = [round(batch_size * share) for share in self.shares]
        counts[0] += batch_size - sum(counts)
        if min(counts) < 1:
            raise InputError(
                f"a batch of {batch_size} has no room for every source by shares {self.shares}: "
                "make it larger, or the smallest share"
            )
        return counts

    def _by_label(self, rows: torch.Tensor, drawn: int, generator: torch.Generator) -> torch.Tensor:
        """Each label alike often, and of its cells each alike often."""
        order = rows[self.cells.labels[rows].argsort(stable=True)]
        counts = torch.bincount(self.cells.labels[rows])
        counts = counts[counts > 0]
        first = counts.cumsum(0) - counts
        label = torch.randint(len(counts), (drawn,), generator=generator)
        within = (torch.rand(drawn, generator=generator) * counts[label]).long()
        return order[first[label] + within.minimum(counts[label] - 1)]
