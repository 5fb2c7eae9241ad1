"""Whether a patient's other cells tell how the network misreads that patient's blasts.

    python benchmarks/patient_context.py [MODEL]

The held-out patients of a model (the default), each by an error model of nine tenths of the others.
The recalibration's centre gets further features: roots of the parts of the patient's leukocytes
that are called such a class, or of all cells where the class is no leukocyte. Printed: error of the
share in points, its mean difference to that without them with its standard error, coverage and
width. A minute for each line.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bloodcell.error_model.case_mix import CaseMix
from bloodcell.error_model.histograms import Floats, accumulated, log_odds_of
from bloodcell.error_model.recalibration import USUAL_START, Recalibration, fit_curves
from bloodcell.error_model.refit import HeldOut
from bloodcell.folds import fold_of_patients
from bloodcell.model import Model, load_model

TRIED = (
    (),
    ("monocyte",),
    ("promyelocyte",),
    ("lymphocyte",),
    ("segmented_neutrophils",),
    ("smudge_cells",),
    ("erythroblast",),
)


class Patients:
    """Of P patients all (P, ...)."""

    def __init__(self, model: Model) -> None:
        scheme, cells = model.scheme, HeldOut.read(model.folder)
        used = cells.is_leukocyte(scheme)
        self.names, owner = np.unique(cells.patient[used], return_inverse=True)
        log_odds, is_blast = (
            log_odds_of(cells.blast_probability[used]),
            cells.is_blast(scheme)[used],
        )
        self.cells = accumulated(log_odds, owner, len(self.names))
        self.blasts = accumulated(log_odds[is_blast], owner[is_blast], len(self.names))
        self.share = self.blasts.sum(axis=1) / self.cells.sum(axis=1)
        self.leukocyte_codes = set(np.array(scheme.codes)[scheme.is_leukocyte])
        self._held_out, self._used = cells, used

    def context(self, codes: tuple[str, ...]) -> Floats:
        """Roots of the parts that are called ``codes``, (P, len(codes))."""
        return np.sqrt([[self._part(name, code) for code in codes] for name in self.names])

    def _part(self, name: str, code: str) -> float:
        own = self._held_out.patient == name
        if code in self.leukocyte_codes:
            own &= self._used
        return float((self._held_out.called[own] == code).mean())

    def by_others(self, context: Floats) -> Floats:
        """Share, low and high, (P, 3)."""
        fold, result = fold_of_patients(self.share, 10), np.empty((len(self.share), 3))
        for number in range(10):
            constant, of_context = self._fitted(np.flatnonzero(fold != number), context)
            for patient in np.flatnonzero(fold == number):
                prior = moved(constant, context[patient] @ of_context)
                estimate = prior.core().estimate_shares(self.cells[[patient]])
                result[patient] = [estimate[field][0] for field in ("share", "low", "high")]
        return result

    def _fitted(self, used: npt.NDArray[np.intp], context: Floats) -> tuple[Recalibration, Floats]:
        """The fit where the context is 0, and what it adds to intercept and log slope, (F, 2)."""
        mix = CaseMix.of(self.blasts[used], self.cells[used], self.cells[used])
        features = np.column_stack([mix.features[:, 1:], context[used][mix.patient]])
        fit = fit_curves(mix, features, USUAL_START)
        intercept, log_slope = np.vstack([fit.constant, fit.slopes[:2]]).T
        fitted = Recalibration(
            intercept=tuple(intercept),
            log_slope=tuple(log_slope),
            intercept_scale=fit.scales[0],
            log_slope_scale=fit.scales[1],
            correlation=fit.correlation,
            worth_cells=self.cells[used].sum(axis=1).mean(),
        )
        return fitted, fit.slopes[2:]


def moved(constant: Recalibration, by: Floats) -> Recalibration:
    """``constant`` with ``by`` (2,) added to the centre."""
    intercept, log_slope = list(constant.intercept), list(constant.log_slope)
    intercept[0] += by[0]
    log_slope[0] += by[1]
    entries = constant.to_card() | {"intercept": tuple(intercept), "log_slope": tuple(log_slope)}
    return Recalibration(**entries)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, nargs="?", metavar="MODEL")
    patients = Patients(load_model(parser.parse_args().model))
    first: Floats | None = None
    for codes in TRIED:
        share, low, high = patients.by_others(patients.context(codes)).T
        error = 100 * np.abs(share - patients.share)
        first = error if first is None else first
        more = error - first
        covered = (low - 1e-9 <= patients.share) & (patients.share <= high + 1e-9)
        print(
            f"{', '.join(codes) or 'none'}: {error.mean():.2f} points, {more.mean():+.2f} "
            f"({more.std(ddof=1) / np.sqrt(len(more)):.2f}), covered {covered.mean():.3f}, "
            f"width {100 * (high - low).mean():.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
