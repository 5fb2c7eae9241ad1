"""Blast against rest: ranking, decisions at one half, calibration, and false blasts."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from bloodcell import metrics
from bloodcell.evaluation import bootstrap
from bloodcell.evaluation.join import Joined

_THRESHOLD = 0.5
_ROC_POINTS = 1000
"""More corners than these are thinned evenly: for a picture, ten million cells need no more."""


def blast_figures(cells: Joined) -> dict[str, Any]:
    """Figures of the blast probability over the labelled and scored cells.

    Intervals are at 95 %, from draws of patients; null with fewer than two patients. What needs
    blasts (or other cells) is null without them.
    """
    probability, is_blast = cells.blast_probability, cells.true.is_blast
    reached = probability >= _THRESHOLD
    return {
        "cells": len(probability),
        "patients": len(np.unique(cells.patient)),
        "blasts": int(is_blast.sum()),
        **_with_intervals(cells),
        "threshold": _THRESHOLD,
        "sensitivity": _mean(reached[is_blast]),
        "specificity": _mean(~reached[~is_blast]),
        "leukocytes": _called_blast(cells, cells.true.is_leukocyte),
        "leukocytes_not_blast": _called_blast(cells, cells.true.is_leukocyte & ~is_blast),
        "roc": roc_points(probability, is_blast),
        "reliability": _reliability(probability, is_blast),
    }


def _with_intervals(cells: Joined) -> dict[str, Any]:
    probability, is_blast = cells.blast_probability, cells.true.is_blast
    ranked = probability if cells.ranking is None else cells.ranking
    names, patient = np.unique(cells.patient, return_inverse=True)
    by_patient = bootstrap.PatientCells(patient, probability, is_blast, len(names))
    times = bootstrap.draw_patients(len(names))
    ranking = bootstrap.auroc_interval(replace(by_patient, probability=ranked), times)
    calibration = bootstrap.calibration_interval(by_patient, times)
    area = metrics.auroc(ranked, is_blast)
    error = metrics.expected_calibration_error(probability, is_blast)
    return {
        "auroc": None if np.isnan(area) else area,
        "auroc_low": ranking.low,
        "auroc_high": ranking.high,
        "calibration_error": error if len(probability) else None,
        "calibration_error_low": calibration.low,
        "calibration_error_high": calibration.high,
        "bootstrap": {
            "draws": bootstrap.DRAWS,
            "seed": bootstrap.SEED,
            "auroc_draws_used": ranking.draws,
            "calibration_error_draws_used": calibration.draws,
        },
    }


def _called_blast(cells: Joined, among: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """How many of the cells ``among`` (N,) are blasts to the network, by class and at one half."""
    return {
        "n": int(among.sum()),
        "called_blast": int(cells.naive.is_blast[among].sum()),
        "called_blast_percent": _mean(100.0 * cells.naive.is_blast[among]),
        "reached_percent": _mean(100.0 * (cells.blast_probability[among] >= _THRESHOLD)),
    }


def roc_points(
    probability: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_]
) -> list[dict[str, float | None]]:
    """Corners of the ROC curve, both (N,); empty unless there are positives and others."""
    if positive.all() or not positive.any():
        return []
    points = np.stack(metrics.roc_curve(probability, positive), axis=1)
    kept = np.unique(np.linspace(0, len(points) - 1, _ROC_POINTS).round().astype(np.int64))
    return [
        {
            "threshold": None if np.isinf(threshold) else float(threshold),
            "false_positive_rate": float(alarms),
            "sensitivity": float(hits),
        }
        for alarms, hits, threshold in points[kept]
    ]


def _reliability(
    probability: npt.NDArray[np.float64], is_blast: npt.NDArray[np.bool_]
) -> list[dict[str, Any]]:
    """One row a bin of probability: its bounds, cells, mean probability and share of blasts."""
    bins, place = metrics.CALIBRATION_BINS, metrics.calibration_bin(probability)
    return [
        {
            "low": number / bins,
            "high": (number + 1) / bins,
            "n": int((place == number).sum()),
            "mean_probability": _mean(probability[place == number]),
            "blast_share": _mean(is_blast[place == number]),
        }
        for number in range(bins)
    ]


def _mean(values: npt.NDArray[Any]) -> float | None:
    return float(values.mean()) if len(values) else None
