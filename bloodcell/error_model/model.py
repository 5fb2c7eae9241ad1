"""How a network errs and how that differs between patients: what adjusted shares rest on."""

import math
from dataclasses import asdict, dataclass, fields
from statistics import NormalDist
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from bloodcell._core import ShiftModel
from bloodcell.error_model import shapes
from bloodcell.error_model.shapes import Floats, KindFit
from bloodcell.errors import InputError, ModelError
from bloodcell.scheme import Equivalents, Specimen

LEAST_PATIENTS = 8
"""Patients with leukocytes that a fit needs, half of them with blasts."""

LEAST_CELLS = 100
"""Blasts, and other leukocytes, that a fit needs."""

FALSE_ALARM_RATE = 0.01
"""Chance that a patient like those of the fit is refused by ``misfit_limit`` or ``shift_limit``."""

_PARTS = 10
_WORTHS: Floats = np.geomspace(6.25, 3200, 10)
_COVERED = 0.95
_INTERVAL_MISS = 2 / (1 - _COVERED)


@dataclass(frozen=True)
class ErrorModel:
    """Parameters of csrc/include/bloodcell/share_posterior.hpp and what they rest on."""

    blast_shape: tuple[float, ...]
    """Chance of each of 56 bins of log-odds, -14 to 14 by 0.5, for a blast called a leukocyte."""
    other_shape: tuple[float, ...]
    """The same for other cells called leukocytes."""
    blast_scale: float
    """How far patients' blasts lie apart, in log-odds."""
    other_scale: float
    tail: float
    worth_cells: float
    """Most independent cells that a patient's cells are worth."""
    misfit_limit: float
    """Largest misfit score of a histogram that may be adjusted."""
    shift_limit: float
    """Largest length of the two standardised shifts that may be adjusted."""
    profile: str
    """Denominator of the cells it was fitted on: blood or marrow."""
    blast_equivalents: str
    """What counted as blasts besides the scheme's own: none, aml or apl."""
    patients: int
    cells: int
    blasts: int
    held_out: str
    """How these patients were held out of training."""

    def core(self) -> ShiftModel:
        """The estimator of the C++ core with these parameters."""
        return ShiftModel(
            blast_shape=np.array(self.blast_shape),
            other_shape=np.array(self.other_shape),
            blast_scale=self.blast_scale,
            other_scale=self.other_scale,
            tail=self.tail,
            worth_cells=self.worth_cells,
        )

    def to_card(self) -> dict[str, Any]:
        """The table ``[error_model]`` of a model card: numbers, texts and lists of them."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @staticmethod
    def from_card(table: dict[str, Any]) -> "ErrorModel":
        """Read ``[error_model]``; ModelError naming the entry, and what was expected, if wrong."""
        names = {field.name for field in fields(ErrorModel)}
        if not isinstance(table, dict) or table.keys() != names:
            odd = sorted(names ^ set(table)) if isinstance(table, dict) else table
            raise ModelError(f"[error_model] has other entries than expected: {odd}")
        for name, value in table.items():
            _check_entry(name, value)
        entries: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in table.items()
        }
        return ErrorModel(**entries)


def fit_error_model(
    blast_probability: Floats,
    is_blast: npt.NDArray[np.bool_],
    called_leukocyte: npt.NDArray[np.bool_],
    patients: npt.NDArray[np.str_],
    *,
    held_out: str,
    profile: Specimen = "blood",
    blast_equivalents: Equivalents = "none",
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

    The worth of a patient's cells is the one likely to give the best interval score (Gneiting &
    Raftery 2007, JASA 102:359), on the scale of arcsin sqrt(share), to patients held back in turn,
    but no more than lets the intervals hold the true share of 95 % of them, less a standard error.
    The limit of misfit is the t quantile that a further such patient exceeds with half of
    ``FALSE_ALARM_RATE``; the other half is for the shift.

    Raises:
        InputError: Too few patients or cells, or a probability outside [0, 1].
    """
    labelled = _Labelled.of(blast_probability, is_blast, called_leukocyte, patients)
    labelled.check_enough()
    trials = [_Trial(labelled, float(worth)) for worth in _WORTHS]
    best = _likely_best(_WORTHS, np.array([trial.scores for trial in trials]))
    chosen = _Trial(labelled, round(min(best, _most_that_covers(trials)), 1))
    blast, other = labelled.fit(labelled.everybody, chosen.worth_cells)
    return ErrorModel(
        blast_shape=_rounded(blast.shape),
        other_shape=_rounded(other.shape),
        blast_scale=round(blast.scale, 6),
        other_scale=round(other.scale, 6),
        tail=shapes.TAIL,
        worth_cells=chosen.worth_cells,
        misfit_limit=round(_upper_limit(chosen.misfits), 6),
        shift_limit=round(math.sqrt(-2 * math.log(FALSE_ALARM_RATE / 2)), 6),
        profile=profile,
        blast_equivalents=blast_equivalents,
        patients=len(labelled.counts),
        cells=int(labelled.counts.sum()),
        blasts=int(labelled.blasts.sum()),
        held_out=held_out,
    )


@dataclass(frozen=True)
class _Labelled:
    """Histograms by patient of blasts and others, (P, 56) on the bins of shapes."""

    blasts: Floats
    others: Floats
    counts: npt.NDArray[np.int64]
    """Both together on the accumulator's bins, (P, 64)."""

    @staticmethod
    def of(
        blast_probability: Floats,
        is_blast: npt.NDArray[np.bool_],
        called_leukocyte: npt.NDArray[np.bool_],
        patients: npt.NDArray[np.str_],
    ) -> "_Labelled":
        probability = np.asarray(blast_probability, np.float64)
        if not ((probability >= 0) & (probability <= 1)).all():
            raise InputError("a blast probability for the error model lies outside 0 to 1")
        used = np.asarray(called_leukocyte, np.bool_)
        blast = np.asarray(is_blast, np.bool_)[used]
        log_odds = shapes.log_odds_of(probability[used])
        names, patient = np.unique(np.asarray(patients)[used], return_inverse=True)
        return _Labelled(
            shapes.histograms(log_odds[blast], patient[blast], len(names)),
            shapes.histograms(log_odds[~blast], patient[~blast], len(names)),
            shapes.accumulated(log_odds, patient, len(names)),
        )

    @property
    def everybody(self) -> npt.NDArray[np.bool_]:
        return np.ones(len(self.counts), np.bool_)

    @property
    def share(self) -> Floats:
        share: Floats = self.blasts.sum(axis=1) / self.counts.sum(axis=1)
        return share

    def check_enough(self) -> None:
        with_blasts = int((self.blasts.sum(axis=1) > 0).sum())
        blasts, others = int(self.blasts.sum()), int(self.others.sum())
        if (
            len(self.counts) < LEAST_PATIENTS
            or 2 * with_blasts < LEAST_PATIENTS
            or min(blasts, others) < LEAST_CELLS
        ):
            raise InputError(
                f"too little for an error model: {len(self.counts)} patients with leukocytes, "
                f"{with_blasts} of them with blasts, {blasts} blasts and {others} other cells. "
                f"Needed are {LEAST_PATIENTS} patients, half of them with blasts, and "
                f"{LEAST_CELLS} cells of either kind; label more patients"
            )

    def fit(self, chosen: npt.NDArray[np.bool_], worth_cells: float) -> tuple[KindFit, KindFit]:
        blasts, others = (
            shapes.fit_kind(kind[chosen & (kind.sum(axis=1) > 0)], worth_cells)
            for kind in (self.blasts, self.others)
        )
        return blasts, others


def parts_of_patients(blast_share: Floats) -> npt.NDArray[np.intp]:
    """Deal patients to at most ten parts alike in ``blast_share`` (P,); the part of each, (P,)."""
    part = np.empty(len(blast_share), np.intp)
    part[np.argsort(blast_share, kind="stable")] = np.arange(len(blast_share)) % _PARTS
    return part


class _Trial:
    """How one worth of cells does on patients held back in turn; all arrays (P,)."""

    def __init__(self, labelled: _Labelled, worth_cells: float) -> None:
        self.worth_cells = worth_cells
        part = parts_of_patients(labelled.share)
        estimates = np.empty((len(part), 9))
        for held_back in (part == number for number in range(part.max() + 1)):
            blast, other = labelled.fit(~held_back, worth_cells)
            core = ShiftModel(
                blast_shape=blast.shape,
                other_shape=other.shape,
                blast_scale=blast.scale,
                other_scale=other.scale,
                tail=shapes.TAIL,
                worth_cells=worth_cells,
            )
            estimates[held_back] = core.estimate_shares(labelled.counts[held_back])
        self.misfits = estimates[:, 7]
        true, low, high = (np.arcsin(np.sqrt(s)) for s in (labelled.share, *estimates[:, 1:3].T))
        missed = np.maximum(low - true, 0) + np.maximum(true - high, 0)
        self.scores: Floats = high - low + _INTERVAL_MISS * missed
        self.covered: npt.NDArray[np.bool_] = missed == 0


_TEXTS = {"profile": get_args(Specimen), "blast_equivalents": get_args(Equivalents)}
_MAY_BE_NEGATIVE = ("misfit_limit",)


def _check_entry(name: str, value: Any) -> None:
    """ModelError unless ``value`` is what the field ``name`` of ErrorModel holds."""
    if name == "held_out" or name in _TEXTS:
        known = _TEXTS.get(name, (value,))
        if not isinstance(value, str) or value not in known:
            raise ModelError(f"error_model.{name} is {value!r}, a text is expected: {known}")
    elif name.endswith("_shape"):
        right = isinstance(value, list) and len(value) == 56 and all(map(_is_number, value))
        if not right or min(value) < 0 or not sum(value) > 0:
            raise ModelError(f"error_model.{name}: 56 numbers of 0 or more are expected")
    elif not _is_number(value) or (value <= 0 and name not in _MAY_BE_NEGATIVE):
        raise ModelError(f"error_model.{name} is {value!r}, a number above 0 is expected")
    elif name in ("patients", "cells", "blasts") and not isinstance(value, int):
        raise ModelError(f"error_model.{name} is {value!r}, a whole number is expected")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _likely_best(worths: Floats, scores: Floats) -> float:
    """Mean in the logarithm of ``worths`` (W,), each weighted by how likely it is the best.

    From interval scores (W, P), smaller ones being better: a worth whose score lies z standard
    errors above the best one's has the weight exp(-z^2 / 2).
    """
    worse = scores - scores[scores.mean(axis=1).argmin()]
    error = worse.std(axis=1, ddof=1) / math.sqrt(scores.shape[1])
    weight = np.exp(-0.5 * (worse.mean(axis=1) / np.maximum(error, 1e-9)) ** 2)
    return float(np.exp(np.average(np.log(worths), weights=weight)))


def _most_that_covers(trials: list[_Trial]) -> float:
    """The largest worth up to which no trial covers too few patients; the smallest if all do."""
    patients = len(trials[0].covered)
    least = _COVERED - math.sqrt(_COVERED * (1 - _COVERED) / patients)
    covers = [bool(trial.covered.mean() >= least) for trial in trials]
    first_failure = covers.index(False) if False in covers else len(covers)
    return trials[max(first_failure - 1, 0)].worth_cells


def _upper_limit(values: Floats) -> float:
    n = len(values)
    quantile = _t_quantile(1 - FALSE_ALARM_RATE / 2, n - 1)
    spread = max(float(values.std(ddof=1)), 1.0)
    limit = float(values.mean()) + quantile * spread * math.sqrt(1 + 1 / n)
    # Scores are standard normal where the worth is right; where it is small for the sake of
    # coverage they lie below that.
    return max(limit, NormalDist().inv_cdf(1 - FALSE_ALARM_RATE / 2))


def _t_quantile(share: float, freedom: int) -> float:
    """Quantile of Student's t: Abramowitz & Stegun (1964), 26.7.5, from the normal's."""
    x: float = NormalDist().inv_cdf(share)
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
    )
    return x + terms[0] / freedom + terms[1] / freedom**2 + terms[2] / freedom**3


def _rounded(shape: Floats) -> tuple[float, ...]:
    return tuple(float(f"{mass:.5g}") for mass in shape)
