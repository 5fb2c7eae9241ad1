"""From labelled cells to a model folder that ``score`` takes as it is."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bloodcell.architectures.table import ARCHITECTURES
from bloodcell.errors import InputError
from bloodcell.files import sha256_of
from bloodcell.paths import check_labels, model_name_of
from bloodcell.scheme import Scheme, load_scheme
from bloodcell.training.checkpoint import check_folder
from bloodcell.training.crossvalidation import CrossValidation, Fitted, Material
from bloodcell.training.differential import (
    KeptCells,
    called_by_others,
    figures_by_source,
    fit_prior_ratios,
    occurrence_of,
)
from bloodcell.training.export import recipe_table, write_model_folder
from bloodcell.training.material import prepare
from bloodcell.training.recipe import CardData, DataEntry, Head, Recipe, Source, read_recipe
from bloodcell.training.sources import KEPT_FOLD
from bloodcell.training.validation import (
    HeldOut,
    all_fitted,
    blasts_fitted,
    fit_calibration,
    held_out_cells,
)


def train(
    data: Path,
    labels: Path | None,
    out: Path,
    *,
    recipe: str | Path = "resnext26",
    scheme: str | Path | None = None,
    data_source: str | None = None,
    data_licence: str | None = None,
    data_limits: str | None = None,
    head: Head = "softmax",
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Train on the images below ``data`` and write the model folder ``out``.

    ``recipe``: the name of one that comes with bloodcell, or a TOML file; ``scheme``, likewise, is
    taken instead of the recipe's. The recipe names the sources, or else ``labels`` is the one
    there is: a CSV with ``path`` (relative to ``data``), ``patient``, ``class``. For each fold of
    the patients a network is trained that never sees them; together these say how many epochs are
    best, calibrate and give the error model. The network that is kept learns from all patients. A
    second call on the same ``out`` continues after the last whole epoch. The card says of
    ``labels``' images what ``data_source`` (where they are from), ``data_licence`` and
    ``data_limits`` (what they lack) say, by default that it is not stated. ``head``: ``svm``
    fits a linear support vector machine to the features of the network, which is trained as
    without; a folder that was trained with one head can be copied and finished with another.
    ``progress`` is called with batches done and in all. Raises InputError, ModelError, DiskError.
    """
    if threads:
        torch.set_num_threads(threads)
    chosen = completed(
        read_recipe(recipe),
        labels,
        scheme,
        {"source": data_source, "licence": data_licence, "limits": data_limits},
    )
    if chosen.frozen and head == "softmax":
        raise InputError("the recipe freezes the network: nothing would learn without --head svm")
    for one in chosen.source:
        check_labels(data / one.labels)
    model_name_of(out)
    job = _job(chosen, data)
    # Before all images are read, too.
    check_folder(out, job)
    material = prepare(chosen, data, out)
    count = _counting_batches(progress or (lambda *_: None), material, chosen)
    fitted = CrossValidation(out, material, chosen, job, count, head=head).run()
    _finish(out, material, fitted, chosen, labels_sha256=job["labels_sha256"], head=head)


def _job(recipe: Recipe, data: Path) -> dict[str, Any]:
    """What tells a training from any other."""
    job = recipe_table(recipe) | {
        "architecture": asdict(ARCHITECTURES[recipe.architecture]),  # type: ignore[call-overload]
        "classes": load_scheme(recipe.scheme).codes,
        "labels_sha256": [sha256_of(data / one.labels) for one in recipe.source],
    }
    if recipe.weights:
        job["weights_sha256"] = sha256_of(Path(recipe.weights))
    return job


def _finish(
    out: Path,
    material: Material,
    fitted: Fitted,
    recipe: Recipe,
    *,
    labels_sha256: list[str],
    head: Head,
) -> None:
    """Calibrate the network and write its folder."""
    classes = load_scheme(recipe.scheme)
    known = _held_out(material, fitted, classes, head)
    calibration = fit_calibration(known)
    fitted.network.raise_logits(calibration.offsets)
    kept = _kept(material, fitted.held_out_logits + calibration.offsets, recipe)
    occurrence = occurrence_of(known.labels.numpy(), len(classes.codes))
    fit = kept, calibration.temperature, occurrence, classes.is_blast
    calibration = replace(calibration, prior_ratios=fit_prior_ratios(*fit))
    write_model_folder(
        out,
        network=fitted.network,
        scheme=classes,
        recipe=recipe,
        sources=[
            {"cells": int((material.task.cells.sources == number).sum()), "labels_sha256": digest}
            for number, digest in enumerate(labels_sha256)
        ],
        patients=sorted(set(known.patients.tolist())),
        calibration=calibration,
        held_out=held_out_cells(known, classes, calibration),
        held_out_logits=known.logits,
        kept=figures_by_source(kept, called_by_others(*fit), classes),
        history=fitted.history,
        smears=material.smears,
        head=head,
    )


def _held_out(material: Material, fitted: Fitted, classes: Scheme, head: Head) -> HeldOut:
    """The judged cells, each by the network that never saw its patient."""
    offsets = all_fitted(len(classes.codes))
    # Only of softmax is it known which prior is in its logits.
    if head == "softmax" and classes.is_blast.any():
        offsets = blasts_fitted(fitted.occurrence, classes.is_blast)
    cells, fold = material.task.cells, material.fold_of_cell
    judged = fold >= 0
    trust = material.trust_in(torch.nonzero(fold != KEPT_FOLD).flatten())
    return HeldOut(
        fitted.held_out_logits[judged],
        cells.labels[judged],
        cells.patients[judged.numpy()],
        trust[judged],
        offsets,
    )


def _kept(material: Material, logits: torch.Tensor, recipe: Recipe) -> KeptCells:
    """The cells of further sources that were kept back."""
    cells, rows = material.task.cells, material.fold_of_cell == KEPT_FOLD
    names = np.array([source.name for source in recipe.source])
    return KeptCells(
        logits[rows], cells.label_sets[cells.labels[rows]], names[cells.sources[rows].numpy()]
    )


def completed(
    recipe: Recipe,
    labels: Path | None,
    scheme: str | Path | None,
    data: Mapping[DataEntry, str | None],
) -> Recipe:
    """The recipe with what the command line says besides: scheme, and the source if it has none.

    ``data``: what is known of that source. Raises InputError if the recipe and the command line
    both name sources, or neither does.
    """
    if scheme:
        recipe = replace(recipe, scheme=str(scheme))
    if recipe.source and labels:
        raise InputError("the recipe names its sources: leave out --labels")
    if recipe.source and any(data.values()):
        raise InputError("the recipe says where its sources' images are from: leave out --data-...")
    if recipe.source:
        return recipe
    if not labels:
        raise InputError("the recipe names no [[source]]: give --labels")
    path = str(labels.resolve())
    stated: CardData = {name: text or "not stated" for name, text in data.items()}
    source = Source(name="data", images=".", labels=path, share=1.0, data=stated)
    return replace(recipe, source=(source,))


def _counting_batches(
    progress: Callable[[int, int], None], material: Material, recipe: Recipe
) -> Callable[[int], None]:
    """What is told of batches done, over all networks and teachers, for the progress display."""
    courses = [*(teacher.course for teacher in recipe.teacher), recipe.course]
    folds = torch.bincount(material.fold_of_cell[material.fold_of_cell >= 0])
    learnt_from = [*(folds.sum() - folds).tolist(), int(folds.sum())]
    total = sum(
        course.epochs * (cells // material.task.counts(course.batch_size)[0])
        for course in courses
        for cells in learnt_from
    )
    done = 0

    def count(batches: int) -> None:
        nonlocal done
        done += batches
        progress(done, total)

    return count
