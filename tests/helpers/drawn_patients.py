"""Patients whose cells' blast log-odds are drawn from bells, for the tests of shares."""

import numpy as np

from bloodcell._core import ShiftModel
from bloodcell.error_model import ErrorModel, fit_error_model

LOG_ODDS = np.arange(-13.75, 14, 0.5)


def bell(centre: float) -> np.ndarray:
    return np.exp(-0.5 * ((LOG_ODDS - centre) / 2) ** 2)


def shift_model(**changes: float) -> ShiftModel:
    options = {"blast_scale": 0.8, "other_scale": 0.6, "tail": 0.5, "worth_cells": 300.0} | changes
    return ShiftModel(blast_shape=bell(3), other_shape=bell(-4), **options)


def histogram_of(log_odds: np.ndarray) -> np.ndarray:
    place = np.clip(np.floor(4 * log_odds) + 32, 0, 63).astype(int)
    return np.bincount(place, minlength=64).astype(np.int64)


def histogram(rng: np.random.Generator, share: float, cells: int) -> np.ndarray:
    blasts = rng.binomial(cells, share)
    return histogram_of(np.r_[rng.normal(3, 2, blasts), rng.normal(-4, 2, cells - blasts)])


def labelled(patients: int = 12, cells: int = 100, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Blast probability, is_blast, called_leukocyte and patient, as fit_error_model takes them."""
    rng = np.random.default_rng(seed)
    parts = []
    for patient in range(patients):
        is_blast = rng.random(cells) < patient / patients
        centre = np.where(is_blast, 3 + rng.normal(0, 0.8), -4 + rng.normal(0, 0.8))
        log_odds = rng.normal(centre, 2)
        parts.append((1 / (1 + np.exp(-log_odds)), is_blast, np.repeat(f"p{patient}", cells)))
    probability, is_blast, patient = (np.concatenate(column) for column in zip(*parts, strict=True))
    return probability, is_blast, np.ones(len(is_blast), np.bool_), patient


def error_model() -> ErrorModel:
    return fit_error_model(*labelled(), held_out="drawn")
