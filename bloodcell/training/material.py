"""From a recipe and a folder of images to what the networks of its parts are made of."""

from pathlib import Path

import numpy as np
import torch

from bloodcell.errors import InputError
from bloodcell.scheme import Scheme, load_scheme
from bloodcell.training.cells import decode_canvases, decode_pixels
from bloodcell.training.crossvalidation import Material
from bloodcell.training.doubts import Evidence, doubts_of, rows_with_evidence
from bloodcell.training.features import frozen_features
from bloodcell.training.lessons import Cells, gather, lessons_of
from bloodcell.training.recipe import Recipe, families_of
from bloodcell.training.smears import smears_of
from bloodcell.training.sources import (
    KEPT_FOLD,
    SourceCells,
    deal_patients,
    keep_a_fifth,
    read_source,
)
from bloodcell.training.task import Task
from bloodcell.training.teacher import open_encoder


def read_sources(recipe: Recipe, data: Path) -> tuple[list[SourceCells], Cells]:
    """The recipe's sources below ``data``, and all their cells.

    Raises InputError as ``read_source``, and if a label of the source that is judged is not one
    class.
    """
    codes = load_scheme(recipe.scheme).codes
    sources = [read_source(one, data, codes) for one in recipe.source]
    several = [label for label, to in sources[0].classes.items() if len(to) > 1]
    if several:
        raise InputError(
            f"source {sources[0].name!r} is judged, so each of its labels is one class: {several}"
        )
    return sources, gather(sources, codes)


def folds_of(sources: list[SourceCells], cells: Cells, recipe: Recipe) -> torch.Tensor:
    """The fold of each cell, int64 (N,).

    Patients of the first source are dealt to folds, of each other source a fifth is kept back.
    """
    first = (cells.sources == 0).numpy()
    is_blast = cells.labels[first].numpy() == blast_index_of(load_scheme(recipe.scheme))
    dealt = deal_patients(cells.patients[first], is_blast, recipe.validation.folds)
    parts = [dealt, *(keep_a_fifth(one) for one in sources[1:])]
    return torch.from_numpy(np.concatenate(parts))


def evidence_of(
    sources: list[SourceCells],
    cells: Cells,
    may_be_learnt: torch.Tensor,
    recipe: Recipe,
    folder: Path,
) -> Evidence:
    """What doubts rest on: features of the cells, which are kept in ``folder``.

    ``may_be_learnt``: bool (N,). The recipe has a table of doubts.
    """
    assert recipe.doubts is not None
    rows = rows_with_evidence(cells, may_be_learnt)
    features = [
        frozen_features(family, sources, rows, recipe.preprocessing, folder)
        for family in recipe.doubts.families
    ]
    return Evidence(cells, rows, features, blast_index_of(load_scheme(recipe.scheme)))


def blast_index_of(scheme: Scheme) -> int | None:
    """The blast class whose ranking is followed: the scheme's first; None without any."""
    for number, cell_class in enumerate(scheme.classes):
        if cell_class.role == "blast":
            return number
    return None


def prepare(recipe: Recipe, data: Path, out: Path) -> Material:
    """Read, deal and decode all cells. Raises InputError, PackageError."""
    _check_encoders(recipe)
    sources, cells = read_sources(recipe, data)
    fold_of_cell = folds_of(sources, cells, recipe)
    threads, preprocessing = torch.get_num_threads(), recipe.preprocessing
    evidence = None
    if recipe.doubts:
        may_be_learnt = fold_of_cell != KEPT_FOLD
        evidence = evidence_of(sources, cells, may_be_learnt, recipe, out / "features")
    return Material(
        task=_whole_task(recipe, sources, cells),
        fold_of_cell=fold_of_cell,
        pixels_of=lambda rows: decode_pixels(sources, rows, preprocessing, threads),
        trust_in=lambda rows: _trust(cells, evidence, rows),
        smears=smears_of(sources, fold_of_cell != KEPT_FOLD, preprocessing, threads),
    )


def _check_encoders(recipe: Recipe) -> None:
    """PackageError for one that is not installed, before hours of work with another."""
    for family in families_of(recipe):
        open_encoder(family, recipe.preprocessing)


def _trust(cells: Cells, evidence: Evidence | None, rows: torch.Tensor) -> torch.Tensor:
    trust = torch.ones(len(cells.labels))
    if evidence:
        judged = rows[cells.sources[rows] == 0]
        trust[judged] = 1 - torch.from_numpy(doubts_of(evidence, rows).doubt)
    return trust


def _whole_task(recipe: Recipe, sources: list[SourceCells], cells: Cells) -> Task:
    """All cells to learn from, none held out."""
    everything = torch.arange(len(cells.labels))
    trusted = torch.ones(len(everything))
    samplings = tuple(one.sampling for one in recipe.source)
    return Task(
        canvases=decode_canvases(sources, recipe.preprocessing, torch.get_num_threads()),
        cells=cells,
        trust=trusted,
        training=everything,
        held_out=torch.empty(0, dtype=torch.int64),
        held_out_pixels=torch.empty(0),
        lessons=lessons_of(cells, samplings, everything, trusted),
        samplings=samplings,
        shares=tuple(one.share for one in recipe.source),
        mean=torch.tensor(recipe.preprocessing.mean),
        std=torch.tensor(recipe.preprocessing.std),
        region=recipe.preprocessing.region,
        stain_strength=recipe.stain_strength,
        blast_index=blast_index_of(load_scheme(recipe.scheme)),
    )
