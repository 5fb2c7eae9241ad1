"""The error model that labelled cells of held-out patients give."""

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from bloodcell.error_model.card import ErrorModel
from bloodcell.error_model.histograms import Floats, LabelledHistograms
from bloodcell.error_model.recalibration import fit_recalibration
from bloodcell.error_model.shapes import TAIL, fit_kind
from bloodcell.error_model.worth import choose_worth, misfits_by_others
from bloodcell.errors import InputError
from bloodcell.scheme import Equivalents, Specimen
from bloodcell.student_t import t_quantile

LEAST_PATIENTS = 8
"""Patients with leukocytes that a fit needs, half of them with blasts."""

LEAST_CELLS = 100
"""Blasts, and other leukocytes, that a fit needs."""

FALSE_ALARM_RATE = 0.01
"""Chance that a patient like those of the fit is refused by ``misfit_limit`` or ``shift_limit``."""


def fit_error_model(
    blast_probability: Floats,
    is_blast: npt.NDArray[np.bool_],
    called_leukocyte: npt.NDArray[np.bool_],
    patients: npt.NDArray[np.str_],
    *,
    held_out: str,
    profile: Specimen = "blood",
    blast_equivalents: Equivalents = "none",
    weight: Floats | None = None,
) -> ErrorModel:
    """Estimate the error model from labelled cells of patients that were never trained on.

    Args:
        blast_probability: float (N,), calibrated, as scoring would give it.
        is_blast: bool (N,), by the labels.
        called_leukocyte: bool (N,), by the network; other cells are left out.
        patients: text (N,), the patient of each cell.
        held_out: how these patients were held out of training, for the card.
        profile: as in ``bloodcell.score``, when the other arrays were made.
        blast_equivalents: likewise.
        weight: float (N,), how many cells of the patient each stands for; one by default.

    ``choose_worth`` says what a patient's cells are taken to be worth. The limit of misfit is the t
    quantile that a further such patient exceeds with half of ``FALSE_ALARM_RATE``; the other half
    is for the shift.

    Raises:
        InputError: Too few patients or cells, or a probability outside [0, 1].
    """
    labelled = LabelledHistograms.of(
        blast_probability, is_blast, called_leukocyte, patients, weight
    )
    _check_enough(labelled)
    worth_cells = choose_worth(labelled)
    blast = fit_kind(labelled.blasts, worth_cells)
    other = fit_kind(labelled.others, worth_cells)
    return ErrorModel(
        blast_shape=_rounded(blast.shape),
        other_shape=_rounded(other.shape),
        blast_scale=round(blast.scale, 6),
        other_scale=round(other.scale, 6),
        tail=TAIL,
        worth_cells=worth_cells,
        misfit_limit=round(_upper_limit(misfits_by_others(labelled, worth_cells)), 6),
        shift_limit=round(math.sqrt(-2 * math.log(FALSE_ALARM_RATE / 2)), 6),
        profile=profile,
        blast_equivalents=blast_equivalents,
        patients=len(labelled.counts),
        cells=round(labelled.labelled.sum()),
        blasts=round(labelled.blasts.sum()),
        held_out=held_out,
        recalibration=fit_recalibration(
            labelled.blast_counts, labelled.seen_counts, labelled.counts
        ),
    )


def _check_enough(labelled: LabelledHistograms) -> None:
    patients, with_blasts = len(labelled.counts), int((labelled.blasts.sum(axis=1) > 0).sum())
    blasts, others = round(labelled.blasts.sum()), round(labelled.others.sum())
    lacking = [
        LEAST_PATIENTS - patients,
        LEAST_PATIENTS // 2 - with_blasts,
        # As many of a kind a patient as there are now, one at least.
        *(math.ceil((LEAST_CELLS - n) / max(n / max(patients, 1), 1)) for n in (blasts, others)),
    ]
    if max(lacking) > 0:
        raise InputError(
            f"too little for an error model: {patients} patients with leukocytes, "
            f"{with_blasts} of them with blasts, {blasts} blasts and {others} other cells. "
            f"Needed are {LEAST_PATIENTS} patients, half of them with blasts, and "
            f"{LEAST_CELLS} cells of either kind: about {max(lacking)} more such patients"
        )


def _upper_limit(values: Floats) -> float:
    n = len(values)
    quantile = t_quantile(1 - FALSE_ALARM_RATE / 2, n - 1)
    spread = max(float(values.std(ddof=1)), 1.0)
    limit = float(values.mean()) + quantile * spread * math.sqrt(1 + 1 / n)
    # Scores are standard normal where the worth is right.
    return max(limit, NormalDist().inv_cdf(1 - FALSE_ALARM_RATE / 2))


def _rounded(shape: Floats) -> tuple[float, ...]:
    return tuple(float(f"{mass:.5g}") for mass in shape)
