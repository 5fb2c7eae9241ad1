"""What a trained network is worth on patients that were held out, after calibration."""

import logging
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from bloodcell.engine.probabilities import calibrated_probabilities
from bloodcell.error_model import ErrorModel, fit_error_model
from bloodcell.errors import InputError
from bloodcell.evaluation.blast import blast_figures
from bloodcell.evaluation.classes import class_figures
from bloodcell.evaluation.join import Joined
from bloodcell.evaluation.shares import naive_share
from bloodcell.scheme import Scheme
from bloodcell.training.fit import Pixels, infer

log = logging.getLogger(__name__)


def validate(
    network: nn.Module, validation: Pixels, patients: npt.NDArray[np.str_], scheme: Scheme
) -> tuple[float, Joined]:
    """Fit the temperature on held-out cells; ``patients``: the patient of each.

    Returns it and the cells as a run would hold them, with their labels.
    """
    logits = infer(network, validation.pixels)
    temperature = fit_temperature(logits, validation.labels)
    probabilities = calibrated_probabilities(logits.numpy(), temperature)
    codes = np.array(scheme.codes)
    cells = Joined(
        patient=patients,
        label=codes[validation.labels.numpy()],
        called=codes[probabilities.argmax(axis=1)],
        blast_probability=probabilities[:, scheme.is_blast].sum(axis=1, dtype=np.float64),
        label_scheme=scheme,
        run_scheme=scheme,
        cells={"labelled": len(patients), "rejected": 0, "unlabelled": 0, "labels_not_in_run": 0},
    )
    return temperature, cells


def held_out_figures(cells: Joined) -> dict[str, Any]:
    """What the model card states of the held-out cells: in all, by class, by patient."""
    by_class, blast = class_figures(cells), blast_figures(cells)
    figures = {
        "patients": blast["patients"],
        "cells": blast["cells"],
        "blasts": blast["blasts"],
        "blast_auroc": blast["auroc"],
        "blast_auroc_low": blast["auroc_low"],
        "blast_auroc_high": blast["auroc_high"],
        "blast_calibration_error": blast["calibration_error"],
        "accuracy": by_class["accuracy"],
        "balanced_accuracy": by_class["balanced_accuracy"],
    }
    by_patient = [
        {"patient": str(name), **naive_share(cells, cells.patient == name)}
        for name in np.unique(cells.patient)
    ]
    return _known(figures) | {
        "class": [_known(row) for row in by_class["classes"]],
        "patient": [_known(row) for row in by_patient],
    }


def held_out_error_model(cells: Joined, held_out: str) -> ErrorModel | None:
    """What adjusted shares will rest on; None, with a warning, if the cells are too few for it.

    ``held_out``: how these patients were held out, for the card.
    """
    scheme = cells.run_scheme
    counted = np.array(scheme.codes)[scheme.is_leukocyte]
    try:
        return fit_error_model(
            cells.blast_probability,
            cells.true.is_blast,
            np.isin(cells.called, counted),
            cells.patient,
            held_out=held_out,
        )
    except InputError as too_few:
        log.warning("the model will give naive shares only: %s", too_few)
        return None


def _known(figures: dict[str, Any]) -> dict[str, Any]:
    """TOML has no null: what is not known is not stated."""
    return {name: value for name, value in figures.items() if value is not None}


def fit_temperature(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """The temperature with the smallest log loss (Guo et al. 2017, arXiv 1706.04599).

    ``logits`` float32 (N, C), ``labels`` int64 (N,). Searched from 0.1 to 10 in steps of 1 %.
    """
    candidates = torch.logspace(-1, 1, 464).tolist()
    losses = [float(nn.functional.cross_entropy(logits / t, labels)) for t in candidates]
    return float(candidates[int(np.argmin(losses))])
