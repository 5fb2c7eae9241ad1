"""How many independent cells a patient's cells are worth, by patients held back in turn."""

import numpy as np

from bloodcell._core import MIXTURE_FIT, ShiftModel
from bloodcell.error_model.histograms import Floats, LabelledHistograms
from bloodcell.error_model.shapes import TAIL, fit_kind
from bloodcell.folds import fold_of_patients

_FOLDS = 10
_WORTHS: Floats = np.geomspace(6.25, 3200, 10)


def choose_worth(labelled: LabelledHistograms) -> float:
    """The worth by which patients held back in turn fit as well as they should, on average.

    Their misfits are standard normal scores if what shapes and shifts leave unexplained is as large
    as the worth says: the larger a worth, the higher they are. Between two worths tried the mean is
    taken as linear in the logarithm; the smallest or largest is taken if it is never or always
    below 0.
    """
    means = [misfits_by_others(labelled, float(worth)).mean() for worth in _WORTHS]
    log_worth = np.interp(0.0, np.maximum.accumulate(means), np.log(_WORTHS))
    return round(float(np.exp(log_worth)), 1)


def misfits_by_others(labelled: LabelledHistograms, worth_cells: float) -> Floats:
    """Each patient's misfit by what the patients of other folds give, (P,)."""
    fold = fold_of_patients(labelled.share, _FOLDS)
    fits = np.empty(len(fold), MIXTURE_FIT)
    for held_back in (fold == number for number in range(fold.max() + 1)):
        blast = fit_kind(labelled.blasts[~held_back], worth_cells)
        other = fit_kind(labelled.others[~held_back], worth_cells)
        core = ShiftModel(
            blast_shape=blast.shape,
            other_shape=other.shape,
            blast_scale=blast.scale,
            other_scale=other.scale,
            tail=TAIL,
            worth_cells=worth_cells,
        )
        fits[held_back] = core.fit_mixtures(labelled.counts[held_back])
    misfits: Floats = fits["misfit"]
    return misfits
