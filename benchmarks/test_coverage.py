"""Coverage and error of the adjusted share of held-out patients; run with `pytest -s`, a minute.

The 82 held-out patients of the default network, or of BLOODCELL_BENCH_MODEL, each cell by a
network that never saw its patient, each
patient by an error model of nine tenths of the others. Twice: their own cells, some hundred, and
these repeated to some 5,000. By true share, as it is; and at other shares, for which blasts or
other cells of a patient with ten of both are left out at random: real cells at any share.

"Naive" is the share with log-odds of blast above 0; adjusted count and EM take the network to err
on all patients alike, and have no interval. Refusals by the gate are not left out.
"""

from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
import sizes
from helpers.label_shift import adjusted_count, likeliest_share

from bloodcell._core import clopper_pearson
from bloodcell.error_model import ErrorModel, fit_error_model
from bloodcell.error_model.histograms import Floats, accumulated, log_odds_of
from bloodcell.error_model.refit import HeldOut
from bloodcell.error_model.shapes import moved
from bloodcell.folds import fold_of_patients

SHARE_EDGES = (0.0, 0.05, 0.10, 0.20, 0.50, 1.01)
OTHER_SHARES = (0.01, 0.05, 0.10, 0.20, 0.40, 0.70, 0.90)
LEAST_OF_A_KIND = 10
LEAST_CELLS = 30
DRAWS = 5
MANY_CELLS = 5000

Histogram = npt.NDArray[np.int64]
Whose = npt.NDArray[np.intp]
Interval = Floats
"""Share, low and high of P patients, (P, 3)."""


Estimator = Callable[[Histogram, Whose], Interval]
"""Of histograms (N, 64) of patients (N,)."""


def pooled(shape: tuple[float, ...]) -> Floats:
    """A shape on the histogram's bins, (64,), tails in the outermost."""
    (masses,) = moved(np.array(shape) / sum(shape), np.zeros(1))
    inner = np.r_[masses[:13].sum(), masses[13:43], masses[43:].sum()]
    return np.repeat(inner / inner.sum() / 2, 2)


class Patients:
    """Of P held-out patients all (P, ...), and their error models."""

    def __init__(self) -> None:
        model = sizes.model()
        held_out, scheme = HeldOut.read(model.folder), model.scheme
        used = held_out.is_leukocyte(scheme)
        names, self.owner = np.unique(held_out.patient[used], return_inverse=True)
        probability = held_out.blast_probability[used]
        self.log_odds = log_odds_of(probability)
        self.is_blast = held_out.is_blast(scheme)[used]
        self.histogram = accumulated(self.log_odds, self.owner, len(names))
        self.share = np.bincount(self.owner, self.is_blast) / self.histogram.sum(axis=1)
        self.fold = fold_of_patients(self.share, 10)
        self.models: list[ErrorModel] = []
        for number in range(10):
            others = np.isin(self.owner, np.flatnonzero(self.fold != number))
            self.models.append(
                fit_error_model(
                    probability[others],
                    self.is_blast[others],
                    np.ones(others.sum(), np.bool_),
                    self.owner[others].astype(np.str_),
                    held_out="of each other",
                )
            )

    def adjusted(self, histogram: Histogram, patient: Whose) -> Interval:
        result = np.empty((len(histogram), 3))
        for number, model in enumerate(self.models):
            own = self.fold[patient] == number
            estimates = model.recalibration.core().estimate_shares(histogram[own])
            result[own] = np.column_stack([estimates[name] for name in ("share", "low", "high")])
        return result

    def textbook(self, solve: Callable[..., Floats]) -> Estimator:
        """``solve`` of label_shift with the pooled shapes that the others give."""

        def shares(histogram: Histogram, patient: Whose) -> Interval:
            result = np.full((len(histogram), 3), np.nan)
            for number, model in enumerate(self.models):
                own = self.fold[patient] == number
                shapes = pooled(model.blast_shape), pooled(model.other_shape)
                result[own, 0] = solve(histogram[own], *shapes)
            return result

        return shares

    def refused(self) -> int:
        fits = [
            (self.models[number].gate().fit_mixtures(own[None])[0], self.models[number])
            for own, number in zip(self.histogram, self.fold, strict=True)
        ]
        return sum(
            fit["misfit"] > model.misfit_limit or fit["shift"] > model.shift_limit
            for fit, model in fits
        )


@cache
def patients() -> Patients:
    return Patients()


def naive(histogram: Histogram, _patient: Whose) -> Interval:
    called, cells = histogram[:, 32:].sum(axis=1), histogram.sum(axis=1)
    exact = clopper_pearson(called, cells)
    return np.column_stack([called / cells, exact["low"], exact["high"]])


def repeated(histogram: Histogram) -> Histogram:
    times = np.rint(MANY_CELLS / histogram.sum(axis=1)).astype(np.int64)
    many: Histogram = histogram * times[:, None]
    return many


def at_other_shares(every: Patients) -> tuple[Histogram, Floats, Floats, Whose]:
    """Histograms (N, 64), true shares, those aimed at and patients, all (N,)."""
    rng, rows = np.random.default_rng(0), []
    for patient in range(len(every.share)):
        own = every.owner == patient
        blasts, others = (every.log_odds[own & (every.is_blast == kind)] for kind in (True, False))
        if min(len(blasts), len(others)) < LEAST_OF_A_KIND:
            continue
        for wanted in OTHER_SHARES:
            odds = wanted / (1 - wanted)
            kept = (
                min(len(blasts), round(len(others) * odds)),
                min(len(others), round(len(blasts) / odds)),
            )
            if sum(kept) < LEAST_CELLS:
                continue
            for _ in range(DRAWS):
                cells = [
                    rng.permutation(k)[:n] for k, n in zip((blasts, others), kept, strict=True)
                ]
                values = np.concatenate(cells)
                counts = accumulated(values, np.zeros(len(values), np.intp), 1)[0]
                rows.append((counts, kept[0] / sum(kept), wanted, patient))
    histogram, true, aimed_at, whose = (np.array(column) for column in zip(*rows, strict=True))
    return histogram, true, aimed_at, whose


def figures(interval: Interval, true: Floats) -> tuple[float, float, float, float, float]:
    """Error: mean, median, 90th percentile in points; covered; width in points."""
    error = 100 * np.abs(interval[:, 0] - true)
    covered = (interval[:, 1] - 1e-9 <= true) & (true <= interval[:, 2] + 1e-9)
    width = 100 * (interval[:, 2] - interval[:, 1]).mean()
    return error.mean(), np.median(error), np.percentile(error, 90), covered.mean(), width


def line(name: str, interval: Interval, true: Floats) -> None:
    mean, median, tenth, covered, width = figures(interval, true)
    interval_too = f"{covered:.3f} | {width:.1f}" if np.isfinite(width) else "- | -"
    print(f"| {name} | {len(true)} | {mean:.2f} | {median:.2f} | {tenth:.1f} | {interval_too} |")


def estimators(every: Patients) -> dict[str, Estimator]:
    return {
        "naive": naive,
        "adjusted count": every.textbook(adjusted_count),
        "EM": every.textbook(likeliest_share),
        "adjusted": every.adjusted,
    }


def head(title: str) -> None:
    print(f"\n{title}\n| | n | error | median | 90th percentile | covered | width |")
    print("|---|---|---|---|---|---|---|")


@pytest.mark.parametrize("cells", [lambda own: own, repeated], ids=["own", "repeated"])
def test_held_out_patients_are_covered_and_err_less(
    cells: Callable[[Histogram], Histogram],
) -> None:
    every = patients()
    true, everyone = every.share, np.arange(len(every.share))
    histogram = cells(every.histogram)
    head(f"{len(true)} held-out patients, {int(np.median(histogram.sum(axis=1)))} cells each")
    for name, estimator in estimators(every).items():
        interval = estimator(histogram, everyone)
        line(name, interval, true)
        for low, high in pairwise(SHARE_EDGES):
            own = (low <= true) & (true < high)
            line(f"{name}, {100 * low:.0f} to {100 * high:.0f} %", interval[own], true[own])
    print(f"refused by the gate: {every.refused()}")
    mean, _, _, covered, _ = figures(every.adjusted(histogram, everyone), true)
    assert mean <= 6.5
    assert covered >= 0.93
    assert every.refused() <= 0.03 * len(true)


@pytest.mark.parametrize("cells", [lambda own: own, repeated], ids=["own", "repeated"])
def test_patients_at_other_shares_are_covered(
    cells: Callable[[Histogram], Histogram],
) -> None:
    every = patients()
    histogram, true, wanted, patient = at_other_shares(every)
    histogram = cells(histogram)
    head(f"{len(np.unique(patient))} of them at other shares, {DRAWS} draws each")
    for name, estimator in estimators(every).items():
        interval = estimator(histogram, patient)
        line(name, interval, true)
        for share in OTHER_SHARES:
            line(f"{name}, {100 * share:.0f} %", interval[wanted == share], true[wanted == share])
    naive_error, adjusted = figures(naive(histogram, patient), true)[0], every.adjusted
    mean, _, _, covered, _ = figures(adjusted(histogram, patient), true)
    assert mean <= naive_error
    assert covered >= 0.92
