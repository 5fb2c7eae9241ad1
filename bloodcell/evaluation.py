"""A run against labels: by class, blast against rest, by patient."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bloodcell.errors import InputError
from bloodcell.metrics import auroc, expected_calibration_error
from bloodcell.run import Run
from bloodcell.scheme import Scheme, load_scheme, scheme_names


@dataclass(frozen=True)
class _Joined:
    """Labelled cells of a run, rejected ones included; all arrays (N,)."""

    patient: npt.NDArray[np.str_]
    label: npt.NDArray[np.str_]
    called: npt.NDArray[np.object_]
    """None where the cell was rejected."""
    blast_probability: npt.NDArray[np.float64]

    @property
    def scored(self) -> npt.NDArray[np.bool_]:
        return ~np.isnan(self.blast_probability)


def evaluate(run: Run, labels_csv: Path) -> dict[str, Any]:
    """Compare ``run`` with ``labels_csv`` (columns ``path`` as in the run, ``class``).

    Labels may be of another scheme than the model's; then classes cannot be compared one by
    one and only the blast figures are given. Raises InputError naming file and fault.
    """
    truth = read_labels(labels_csv)
    label_scheme = _scheme_of(sorted(set(truth.values())), run.about["scheme"], labels_csv)
    cells, unlabelled = _join(run, truth, labels_csv)
    classes: list[dict[str, Any]] = []
    accuracy = None
    if label_scheme.name == run.about["scheme"]:
        classes, accuracy = _by_class(cells, label_scheme)
    patients = _by_patient(run, cells, label_scheme)
    errors = [p["error"] for p in patients if p["error"] is not None]
    return {
        "labels": str(labels_csv),
        "label_scheme": label_scheme.name,
        "cells": {
            "labelled": len(cells.label),
            "rejected": int((~cells.scored).sum()),
            "unlabelled": unlabelled,
        },
        "classes": classes,
        "accuracy": accuracy,
        "blast": _blast(cells, label_scheme),
        "patients": patients,
        "naive_error": float(np.mean(errors)) if errors else None,
    }


def read_labels(labels_csv: Path) -> dict[str, str]:
    """Class of each path; InputError if columns are missing or a path has two labels."""
    try:
        with labels_csv.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            lacking = {"path", "class"} - set(reader.fieldnames or [])
            if lacking:
                raise InputError(f"{labels_csv} lacks the columns {sorted(lacking)}")
            rows = list(reader)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read labels {labels_csv}: {error}") from error
    truth = {row["path"]: row["class"] for row in rows}
    if len(truth) < len(rows):
        raise InputError(f"{labels_csv} labels {len(rows) - len(truth)} paths more than once")
    return truth


def _scheme_of(labels: Sequence[str], run_scheme: str, labels_csv: Path) -> Scheme:
    names = [run_scheme, *(name for name in scheme_names() if name != run_scheme)]
    for name in names:
        scheme = load_scheme(name)
        if set(labels) <= set(scheme.codes):
            return scheme
    unknown = sorted(set(labels) - set(load_scheme(run_scheme).codes))
    raise InputError(
        f"no scheme ({', '.join(names)}) has all classes of {labels_csv}; "
        f"the run's own lacks {unknown}"
    )


def _join(run: Run, truth: dict[str, str], labels_csv: Path) -> tuple[_Joined, int]:
    table = run.cells(["path", "patient", "class", "blast_probability"]).to_pydict()
    places = [i for i, path in enumerate(table["path"]) if path in truth]
    if not places:
        raise InputError(
            f"no path of {labels_csv} is in the run: it has {table['path'][0]!r}, the labels "
            f"have {next(iter(truth), None)!r}"
        )
    joined = _Joined(
        patient=np.array([table["patient"][i] for i in places]),
        label=np.array([truth[table["path"][i]] for i in places]),
        called=np.array([table["class"][i] for i in places], object),
        blast_probability=np.array([table["blast_probability"][i] for i in places], np.float64),
    )
    return joined, len(table["path"]) - len(places)


def _by_class(cells: _Joined, scheme: Scheme) -> tuple[list[dict[str, Any]], float]:
    label, called = cells.label[cells.scored], cells.called[cells.scored]
    rows = []
    for code in scheme.codes:
        n, calls = int((label == code).sum()), int((called == code).sum())
        hits = int(((label == code) & (called == code)).sum())
        if n or calls:
            rows.append(
                {
                    "class": code,
                    "precision": hits / calls if calls else None,
                    "sensitivity": hits / n if n else None,
                    "n": n,
                }
            )
    return rows, float((label == called).mean())


def _blast(cells: _Joined, scheme: Scheme) -> dict[str, Any]:
    positive = np.isin(cells.label, np.array(scheme.codes)[scheme.is_blast])[cells.scored]
    probability = cells.blast_probability[cells.scored]
    area = auroc(probability, positive)
    return {
        "n": int(positive.sum()),
        "auroc": None if np.isnan(area) else area,
        "calibration_error": expected_calibration_error(probability, positive),
        "called_share_of_others": float((probability[~positive] >= 0.5).mean())
        if (~positive).any()
        else None,
    }


def _by_patient(run: Run, cells: _Joined, scheme: Scheme) -> list[dict[str, Any]]:
    codes = np.array(scheme.codes)
    is_blast = np.isin(cells.label, codes[scheme.is_blast])
    is_leukocyte = np.isin(cells.label, codes[scheme.is_leukocyte])
    rows = []
    for patient in run.patients.select(["patient", "blast_percent_naive"]).to_pylist():
        of_patient = cells.patient == patient["patient"]
        leukocytes = int((of_patient & is_leukocyte).sum())
        true = 100.0 * int((of_patient & is_blast).sum()) / leukocytes if leukocytes else None
        naive = patient["blast_percent_naive"]
        both = true is not None and naive is not None
        rows.append(
            {
                "patient": patient["patient"],
                "leukocytes": leukocytes,
                "true": true,
                "naive": naive,
                "error": abs(naive - true) if both else None,
            }
        )
    return rows
