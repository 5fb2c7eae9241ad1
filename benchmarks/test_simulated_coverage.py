"""The adjusted share on simulated patients; run with `pytest -s`, a minute.

True share 0 to 90 %, 200 to 5,000 cells, 500 patients a point, fixed seeds. Two ways of differing:

as estimated: the shapes, shifts and worth of cells of the gate of the default network's error
    model. Shifts are drawn for each patient and kind, then chances of bins from a Dirichlet
    distribution whose concentration is the worth of cells. Printed alone: no share is fitted to
    such patients, and real ones differ less.
otherwise: each patient has a sensitivity and a false-positive rate from Beta distributions, with
    the means of the same shapes and standard deviations 0.10 and half the mean. Scores on each
    side of log-odds 0 have the pooled shape of that side, which no shift gives.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from bloodcell.error_model import ErrorModel
from bloodcell.error_model.histograms import Floats
from bloodcell.error_model.shapes import moved
from bloodcell.model import load_model

PATIENTS = 500
SHARES = (0.0, 0.01, 0.05, 0.10, 0.20, 0.40, 0.50, 0.90)
CELLS = (200, 500, 5000)
MIDDLE = slice(12, 44)

Draw = Callable[[np.random.Generator, ErrorModel, float], Floats]


@pytest.fixture(scope="module")
def model() -> ErrorModel:
    error_model = load_model().error_model
    assert error_model is not None
    return error_model


def pairs(shapes: Floats) -> Floats:
    """Shapes (S, 56) as chances of the histogram's 32 pairs of bins, tails in the outermost."""
    inner = shapes[:, MIDDLE].copy()
    inner[:, 0] += shapes[:, : MIDDLE.start].sum(axis=1)
    inner[:, -1] += shapes[:, MIDDLE.stop :].sum(axis=1)
    chances: Floats = inner / inner.sum(axis=1, keepdims=True)
    return chances


def chances_as_estimated(rng: np.random.Generator, model: ErrorModel, share: float) -> Floats:
    kinds = []
    for shape, scale in (
        (model.blast_shape, model.blast_scale),
        (model.other_shape, model.other_scale),
    ):
        shift = scale * np.sinh(model.tail * rng.standard_normal(PATIENTS)) / model.tail
        kinds.append(pairs(moved(np.array(shape) / sum(shape), shift)))
    mixed = share * kinds[0] + (1 - share) * kinds[1]
    drawn = rng.standard_gamma(model.worth_cells * mixed)
    chances: Floats = drawn / drawn.sum(axis=1, keepdims=True)
    return chances


def chances_otherwise(rng: np.random.Generator, model: ErrorModel, share: float) -> Floats:
    mixed = np.zeros((PATIENTS, 32))
    for shape, weight, is_blast in (
        (model.blast_shape, share, True),
        (model.other_shape, 1 - share, False),
    ):
        pooled = pairs(moved(np.array(shape) / sum(shape), np.zeros(1)))[0]
        above = np.arange(32) >= 16
        mean = pooled[above].sum()
        deviation = 0.10 if is_blast else mean / 2
        size = mean * (1 - mean) / deviation**2 - 1
        called = rng.beta(mean * size, (1 - mean) * size, PATIENTS)[:, None]
        mixed += weight * called * np.where(above, pooled, 0) / mean
        mixed += weight * (1 - called) * np.where(above, 0, pooled) / (1 - mean)
    return mixed


def histograms(rng: np.random.Generator, chances: Floats, cells: int) -> npt.NDArray[np.int64]:
    counts = np.zeros((PATIENTS, 64), np.int64)
    counts[:, ::2] = rng.multinomial(cells, chances)
    return counts


@pytest.mark.parametrize("draw", [chances_as_estimated, chances_otherwise])
def test_intervals_of_simulated_patients(draw: Draw, model: ErrorModel) -> None:
    print(f"\n{draw.__name__}, {PATIENTS} patients a point; widths and errors in points")
    print("  true  cells  covered  width  error  naive  refused")
    prior, gate = model.recalibration.core(), model.gate()
    coverage = []
    for point, (share, cells) in enumerate((s, c) for s in SHARES for c in CELLS):
        rng = np.random.default_rng(point)
        counts = histograms(rng, draw(rng, model, share), cells)
        estimates, fits = prior.estimate_shares(counts), gate.fit_mixtures(counts)
        low, high = estimates["low"], estimates["high"]
        # No interval ends at 0 exactly.
        coverage.append(((low - 5e-4 <= share) & (share <= high)).mean())
        naive = counts[:, 32:].sum(axis=1) / cells
        refused = (fits["misfit"] > model.misfit_limit) | (fits["shift"] > model.shift_limit)
        print(
            f"{100 * share:6.0f} {cells:6d} {coverage[-1]:8.3f} {100 * (high - low).mean():6.1f} "
            f"{100 * np.abs(estimates['share'] - share).mean():6.2f} "
            f"{100 * np.abs(naive - share).mean():6.2f} {refused.mean():8.3f}"
        )
    if draw is chances_otherwise:
        assert min(coverage) >= 0.90
