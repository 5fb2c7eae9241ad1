"""How many independent cells a patient's cells are worth, by patients held back in turn."""

import math

import numpy as np
import numpy.typing as npt

from bloodcell._core import SHARE_ESTIMATE, ShiftModel
from bloodcell.error_model.histograms import Floats, LabelledHistograms
from bloodcell.error_model.shapes import TAIL, fit_kind
from bloodcell.folds import fold_of_patients

_FOLDS = 10
_WORTHS: Floats = np.geomspace(6.25, 3200, 10)
_COVERED = 0.95
_INTERVAL_MISS = 2 / (1 - _COVERED)


class Trial:
    """How one worth of cells does on patients held back in turn; all arrays (P,)."""

    def __init__(self, labelled: LabelledHistograms, worth_cells: float) -> None:
        self.worth_cells = worth_cells
        estimates = _estimates_by_others(labelled, worth_cells)
        self.misfits: Floats = estimates["misfit"]
        shares = labelled.share, estimates["low"], estimates["high"]
        true, low, high = (np.arcsin(np.sqrt(share)) for share in shares)
        missed = np.maximum(low - true, 0) + np.maximum(true - high, 0)
        self.scores: Floats = high - low + _INTERVAL_MISS * missed
        self.covered: npt.NDArray[np.bool_] = missed == 0


def choose_worth(labelled: LabelledHistograms) -> Trial:
    """The trial of the worth to take.

    The worth is the one likely to give the best interval score (Gneiting & Raftery 2007, JASA
    102:359), on the scale of arcsin sqrt(share), to patients held back in turn, but no more than
    lets the intervals hold the true share of 95 % of them, less a standard error.
    """
    trials = [Trial(labelled, float(worth)) for worth in _WORTHS]
    best = _likely_best(_WORTHS, np.array([trial.scores for trial in trials]))
    return Trial(labelled, round(min(best, _most_that_covers(trials)), 1))


def _estimates_by_others(labelled: LabelledHistograms, worth_cells: float) -> npt.NDArray[np.void]:
    """Each patient's ``SHARE_ESTIMATE`` by what the patients of other folds give, (P,)."""
    fold = fold_of_patients(labelled.share, _FOLDS)
    estimates = np.empty(len(fold), SHARE_ESTIMATE)
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
        estimates[held_back] = core.estimate_shares(labelled.counts[held_back])
    return estimates


def _likely_best(worths: Floats, scores: Floats) -> float:
    """Mean in the logarithm of ``worths`` (W,), each weighted by how likely it is the best.

    From interval scores (W, P), smaller ones being better: a worth whose score lies z standard
    errors above the best one's has the weight exp(-z^2 / 2).
    """
    worse = scores - scores[scores.mean(axis=1).argmin()]
    error = worse.std(axis=1, ddof=1) / math.sqrt(scores.shape[1])
    weight = np.exp(-0.5 * (worse.mean(axis=1) / np.maximum(error, 1e-9)) ** 2)
    return float(np.exp(np.average(np.log(worths), weights=weight)))


def _most_that_covers(trials: list[Trial]) -> float:
    """The largest worth up to which no trial covers too few patients; the smallest if all do."""
    patients = len(trials[0].covered)
    least = _COVERED - math.sqrt(_COVERED * (1 - _COVERED) / patients)
    covers = [bool(trial.covered.mean() >= least) for trial in trials]
    first_failure = covers.index(False) if False in covers else len(covers)
    return trials[max(first_failure - 1, 0)].worth_cells
