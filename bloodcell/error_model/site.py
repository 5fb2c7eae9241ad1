"""A site's error model, drawn towards the one it starts from."""

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from bloodcell.error_model.card import ErrorModel
from bloodcell.error_model.histograms import LabelledHistograms
from bloodcell.error_model.recalibration import Recalibration, Start, fit_recalibration

START_PATIENTS = 16
"""So many patients of the site weigh as much as what it starts from: so few alone leave the spread
between patients, and with it what an interval holds, to chance."""


def weight_of_site(patients: int) -> float:
    """Of the site's own error model, 0 to 1, when it rests on so many patients."""
    return patients / (patients + START_PATIENTS)


def site_recalibration(
    labelled: LabelledHistograms, start: ErrorModel | None, used: npt.NDArray[np.bool_]
) -> Recalibration:
    """What the patients that are ``used`` (P,) make of the recalibration of ``start``.

    Its parameters are the fit's prior, as ``START_PATIENTS`` patients. A patient's cells are worth
    what they are worth there: few patients cannot show that it is more.
    """
    patients = labelled.blast_counts[used], labelled.seen_counts[used], labelled.counts[used]
    if start is None:
        return fit_recalibration(*patients)
    drawn = fit_recalibration(*patients, Start(start.recalibration, START_PATIENTS))
    return replace(drawn, worth_cells=start.recalibration.worth_cells)


def drawn_towards(start: ErrorModel, site: ErrorModel) -> ErrorModel:
    """``site`` with the gate that its patients make of ``start``'s: a weighted mean of both.

    Shapes are averaged, scales by their squares, limits as they are. A patient's cells are worth
    no more than in ``start``. Both must hold for the same profile and blast equivalents.
    """
    weight = weight_of_site(site.patients)

    def mean(own: float, started: float) -> float:
        return weight * own + (1 - weight) * started

    def shape(own: tuple[float, ...], started: tuple[float, ...]) -> tuple[float, ...]:
        both = weight * np.array(own) / sum(own) + (1 - weight) * np.array(started) / sum(started)
        return tuple(float(f"{mass:.5g}") for mass in both)

    worth = math.exp(mean(math.log(site.worth_cells), math.log(start.worth_cells)))
    return replace(
        site,
        blast_shape=shape(site.blast_shape, start.blast_shape),
        other_shape=shape(site.other_shape, start.other_shape),
        blast_scale=round(math.sqrt(mean(site.blast_scale**2, start.blast_scale**2)), 6),
        other_scale=round(math.sqrt(mean(site.other_scale**2, start.other_scale**2)), 6),
        worth_cells=round(min(worth, start.worth_cells), 1),
        misfit_limit=round(mean(site.misfit_limit, start.misfit_limit), 6),
        shift_limit=round(mean(site.shift_limit, start.shift_limit), 6),
    )
