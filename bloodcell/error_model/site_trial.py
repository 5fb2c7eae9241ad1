"""A site's error model on trial: each of its patients by what the others make of the start."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bloodcell._core import SHARE_ESTIMATE, clopper_pearson
from bloodcell.error_model.card import ErrorModel
from bloodcell.error_model.histograms import Floats, LabelledHistograms
from bloodcell.error_model.site import START_PATIENTS, site_recalibration
from bloodcell.folds import fold_of_patients
from bloodcell.student_t import t_quantile

_FOLDS = 10
_COVERED = 0.95
_LEAST_COVERED = 0.85
_MOST_PATIENTS = 1000


@dataclass(frozen=True)
class SiteTrial:
    """Of P patients with leukocytes, in the order of their names."""

    patient: npt.NDArray[np.str_]
    share: Floats
    """True share of blasts, (P,)."""
    by_others: npt.NDArray[np.void]
    """``SHARE_ESTIMATE`` by an error model that the patient's fold had no part in, (P,)."""
    by_start: npt.NDArray[np.void] | None
    """By the model as it was; None if it has no error model for what is counted."""

    @staticmethod
    def of(labelled: LabelledHistograms, start: ErrorModel | None) -> "SiteTrial":
        """Hold back the patients in ten folds, one at a time where they are so few."""
        fold = fold_of_patients(labelled.share, _FOLDS)
        by_others = np.empty(len(fold), SHARE_ESTIMATE)
        for number in np.unique(fold):
            prior = site_recalibration(labelled, start, fold != number).core()
            by_others[fold == number] = prior.estimate_shares(labelled.counts[fold == number])
        by_start = start.recalibration.core().estimate_shares(labelled.counts) if start else None
        return SiteTrial(labelled.patient, labelled.share, by_others, by_start)

    def rows(self) -> list[dict[str, Any]]:
        """A patient each: shares in percent, error in points, and both of the model as it was."""
        own = self._columns("", self.by_others)
        if self.by_start is not None:
            own |= self._columns("start_", self.by_start)
        columns = {"patient": self.patient.tolist(), "true_percent": _percent(self.share)} | own
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def figures(self) -> dict[str, float]:
        """Mean error and width in points and coverage, and those of the model as it was."""
        own = self._figures("", self.by_others)
        return own | (self._figures("start_", self.by_start) if self.by_start is not None else {})

    @property
    def objection(self) -> str | None:
        """Why the site's model is not to be used; None if nothing is known against it.

        That is: fewer patients are covered than chance allows if 95 in 100 are (Clopper & Pearson),
        or errors are larger than those of the model as it was, by more than chance allows (paired
        t). Both at 2.5 %.
        """
        patients, covered = len(self.share), int(self._covered(self.by_others).sum())
        if _bounds(covered, patients)[1] < _COVERED:
            more = self._more_until(lambda k, n: _bounds(k, n)[1] >= _COVERED)
            return (
                f"{covered} of {patients} patients, each held out, have their true share inside "
                f"the interval, expected are 95 in 100: about {more} more patients are needed"
            )
        if self._errs_more():
            figures = self.figures()
            return (
                f"patients, each held out, are off by {figures['error_points']:.1f} points, and by "
                f"{figures['start_error_points']:.1f} with the model as it was: about "
                f"{max(patients, START_PATIENTS)} more patients are needed"
            )
        return None

    @property
    def doubt(self) -> str | None:
        """What so few patients cannot show; None if 85 in 100 are covered beyond doubt (97.5 %)."""
        patients, covered = len(self.share), int(self._covered(self.by_others).sum())
        least = _bounds(covered, patients)[0]
        if least >= _LEAST_COVERED:
            return None
        more = self._more_until(lambda k, n: _bounds(k, n)[0] >= _LEAST_COVERED)
        return (
            f"{covered} of {patients} patients, each held out, have their true share inside the "
            f"interval: that of others may be held {math.floor(100 * least)} times in 100 only. "
            f"Label about {more} more patients to know"
        )

    def _covered(self, estimates: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
        covered: npt.NDArray[np.bool_] = (estimates["low"] - 1e-9 <= self.share) & (
            self.share <= estimates["high"] + 1e-9
        )
        return covered

    def _errors(self, estimates: npt.NDArray[np.void]) -> Floats:
        errors: Floats = 100 * np.abs(estimates["share"] - self.share)
        return errors

    def _columns(self, whose: str, estimates: npt.NDArray[np.void]) -> dict[str, list[Any]]:
        return {
            f"{whose}percent": _percent(estimates["share"]),
            f"{whose}percent_low": _percent(estimates["low"]),
            f"{whose}percent_high": _percent(estimates["high"]),
            f"{whose}covered": self._covered(estimates).tolist(),
            f"{whose}error_points": self._errors(estimates).round(2).tolist(),
        }

    def _figures(self, whose: str, estimates: npt.NDArray[np.void]) -> dict[str, float]:
        width = 100 * (estimates["high"] - estimates["low"]).mean()
        return {
            f"{whose}error_points": round(float(self._errors(estimates).mean()), 2),
            f"{whose}coverage": round(float(self._covered(estimates).mean()), 3),
            f"{whose}width_points": round(float(width), 1),
        }

    def _errs_more(self) -> bool:
        patients = len(self.share)
        if self.by_start is None or patients < 2:
            return False
        more = self._errors(self.by_others) - self._errors(self.by_start)
        error = float(more.std(ddof=1)) / math.sqrt(patients)
        return float(more.mean()) > t_quantile(0.975, patients - 1) * error

    def _more_until(self, holds: Callable[[int, int], bool]) -> int:
        """Further patients, 95 in 100 of them covered, after which ``holds`` of all."""
        patients, covered = len(self.share), int(self._covered(self.by_others).sum())
        for more in range(1, _MOST_PATIENTS):
            if holds(covered + round(_COVERED * more), patients + more):
                return more
        return _MOST_PATIENTS


def _bounds(covered: int, patients: int) -> tuple[float, float]:
    """Exact 95 % interval of the chance to be covered."""
    interval = clopper_pearson(np.array([covered]), np.array([patients]))[0]
    return float(interval["low"]), float(interval["high"])


def _percent(shares: Floats) -> list[float]:
    percents: list[float] = (100 * shares).round(2).tolist()
    return percents
