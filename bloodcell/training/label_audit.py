"""An audit of labels: which are doubted, and how reliable each patient's and each class's are."""

from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from bloodcell.errors import InputError
from bloodcell.files import write_whole
from bloodcell.patients import as_csv
from bloodcell.scheme import load_scheme
from bloodcell.training.doubts import doubts_of
from bloodcell.training.material import evidence_of, folds_of, read_sources
from bloodcell.training.recipe import read_recipe
from bloodcell.training.sources import KEPT_FOLD
from bloodcell.training.train import completed

CELLS, PATIENTS, CLASSES = "cells.parquet", "patients.csv", "classes.csv"


def audit_labels(
    data: Path,
    labels: Path | None,
    out: Path,
    *,
    recipe: str | Path,
    scheme: str | Path | None = None,
    threads: int | None = None,
) -> dict[str, pa.Table]:
    """Audit the labels of the recipe's first source, or of ``labels``, and write tables to ``out``.

    ``cells.parquet`` has of each cell ``path``, ``patient``, ``class``, ``doubt`` (0 to 1),
    ``is_doubted`` and ``likeliest``, the class that the classifiers would give it;
    ``patients.csv`` and ``classes.csv`` have ``cells``, ``doubted`` and ``reliability``, which is
    1 less the mean doubt, and of patients ``leukocyte_reliability``, over cells labelled as
    leukocytes. No cell is judged by a classifier that saw its patient. Features are kept in
    ``out/features``, so that a second call goes on where a first one ended. Returns the tables by
    file name. Raises InputError.
    """
    if threads:
        torch.set_num_threads(threads)
    chosen = completed(read_recipe(recipe), labels, scheme, {})
    if not chosen.doubts:
        raise InputError(f"recipe {recipe} has no [doubts]: they say what the audit rests on")
    sources, cells = read_sources(chosen, data)
    may_be_learnt = folds_of(sources, cells, chosen) != KEPT_FOLD
    evidence = evidence_of(sources, cells, may_be_learnt, chosen, out / "features")
    doubts = doubts_of(evidence, torch.nonzero(may_be_learnt).flatten())
    codes = load_scheme(chosen.scheme).codes
    table = pa.table(
        {
            "path": sources[0].images["path"],
            "patient": sources[0].patients,
            "class": np.array(codes)[cells.labels[cells.sources == 0].numpy()],
            "doubt": pa.array(doubts.doubt.round(4)),
            "is_doubted": pa.array(doubts.is_doubted),
            "likeliest": np.array(codes)[doubts.likeliest],
        }
    )
    tables = {CELLS: table} | _summaries(table, chosen.scheme)
    for name, content in tables.items():
        if name == CELLS:
            write_whole(out / name, partial(pq.write_table, content))
        else:
            write_whole(out / name, partial(Path.write_bytes, data=as_csv(content)))
    return tables


def _summaries(table: pa.Table, scheme_name: str) -> dict[str, pa.Table]:
    scheme = load_scheme(scheme_name)
    is_leukocyte = np.isin(table["class"].to_numpy(), np.array(scheme.codes)[scheme.is_leukocyte])
    patients = _summary(table, "patient", np.ones(table.num_rows, np.bool_))
    of_leukocytes = _summary(table, "patient", is_leukocyte).select(["patient", "reliability"])
    joined = patients.join(
        of_leukocytes.rename_columns(["patient", "leukocyte_reliability"]), "patient"
    )
    classes = _summary(table, "class", np.ones(table.num_rows, np.bool_))
    return {PATIENTS: joined.sort_by("patient"), CLASSES: classes.sort_by("class")}


def _summary(table: pa.Table, key: str, chosen: npt.NDArray[np.bool_]) -> pa.Table:
    names, number = np.unique(table[key].to_numpy()[chosen], return_inverse=True)
    cells = np.bincount(number)
    doubt = np.bincount(number, table["doubt"].to_numpy()[chosen])
    doubted = np.bincount(number, table["is_doubted"].to_numpy()[chosen])
    return pa.table(
        {
            key: names,
            "cells": cells,
            "doubted": doubted.astype(np.int64),
            "reliability": (1 - doubt / cells).round(4),
        }
    )
