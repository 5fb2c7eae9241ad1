"""A run against labels: by class, blast against rest, by patient."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bloodcell.errors import InputError
from bloodcell.labels import read_labels
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
    truth = {row["path"]: row["class"] for row in read_labels(labels_csv, ("path", "class"))}
    label_scheme = _scheme_of(sorted(set(truth.values())), run.about["scheme"], labels_csv)
    cells, unlabelled = _join(run, truth, labels_csv)
    classes: list[dict[str, Any]] = []
    accuracy = None
    if label_scheme.name == run.about["scheme"]:
        classes, accuracy = _by_class(cells, label_scheme)
    patients = _by_patient(run, cells, label_scheme)
    errors = [p["error"] for p in patients if p["error"] is not None]
    covered = [p["covered"] for p in patients if p["covered"] is not None]
    return {
        "labels": str(labels_csv),
        "label_scheme": label_scheme.name,
        "cells": {
            "labelled": len(cells.label),
            "rejected": int((~cells.scored).sum()),
            "unlabelled": unlabelled,
            "labels_not_in_run": len(truth) - len(cells.label),
        },
        "classes": classes,
        "accuracy": accuracy,
        "blast": _blast(cells, label_scheme),
        "patients": patients,
        "naive_error": float(np.mean(errors)) if errors else None,
        "coverage": float(np.mean(covered)) if covered else None,
    }


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


def _by_class(cells: _Joined, scheme: Scheme) -> tuple[list[dict[str, Any]], float | None]:
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
    return rows, float((label == called).mean()) if len(label) else None


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
    """True and counted shares over the same cells: the labelled ones, as far as scored."""
    own = load_scheme(run.about["scheme"])
    columns = ["patient", "blast_percent", "blast_percent_low", "blast_percent_high"]
    rows = []
    for patient in run.patients.select(columns).to_pylist():
        of_patient = cells.scored & (cells.patient == patient["patient"])
        leukocytes, true = _share(cells.label[of_patient], scheme)
        _, naive = _share(cells.called[of_patient], own)
        low, high = patient["blast_percent_low"], patient["blast_percent_high"]
        rows.append(
            {
                "patient": patient["patient"],
                "leukocytes": leukocytes,
                "true": true,
                "naive": naive,
                "error": None if true is None or naive is None else abs(naive - true),
                "adjusted": patient["blast_percent"],
                "covered": low <= true <= high if None not in (low, true, high) else None,
            }
        )
    return rows


def _share(codes: npt.NDArray[Any], scheme: Scheme) -> tuple[int, float | None]:
    """Leukocytes among ``codes``, and blasts in percent of them."""
    known = np.array(scheme.codes)
    leukocytes = int(np.isin(codes.astype(str), known[scheme.is_leukocyte]).sum())
    blasts = int(np.isin(codes.astype(str), known[scheme.is_blast]).sum())
    return leukocytes, 100.0 * blasts / leukocytes if leukocytes else None
