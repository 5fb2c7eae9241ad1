"""Coverage and error of the adjusted share on simulated patients; run with `pytest -s`.

True share 0 to 90 %, 200 to 5,000 cells, 2,000 patients a point, fixed seeds, all drawn twice. Two
ways of differing between patients:

as estimated: the shapes, shifts and worth of cells of the default network's error model.
    Shifts are drawn for each patient and kind, then chances of bins from a Dirichlet
    distribution whose concentration is the worth of cells.
otherwise: each patient has a sensitivity and a false-positive rate from Beta distributions, with
    the means of the same shapes and standard deviations 0.10 and half the mean. Scores on each
    side of log-odds 0 have the pooled shape of that side, which no shift gives.
"""

import numpy as np
import pytest
from helpers.label_shift import adjusted_count, adjusted_probability, likeliest_share

from bloodcell._core import clopper_pearson
from bloodcell.error_model import ErrorModel
from bloodcell.error_model.shapes import moved
from bloodcell.model import load_model

PATIENTS = 2000
SHARES = (0.0, 0.01, 0.05, 0.10, 0.20, 0.40, 0.50, 0.90)
CELLS = (200, 500, 5000)
MIDDLE = slice(12, 44)


@pytest.fixture(scope="module")
def model() -> ErrorModel:
    error_model = load_model().error_model
    assert error_model is not None
    return error_model


def pairs(shapes: np.ndarray) -> np.ndarray:
    """Shapes (S, 56) as chances of the histogram's 32 pairs of bins, tails in the outermost."""
    inner = shapes[:, MIDDLE].copy()
    inner[:, 0] += shapes[:, : MIDDLE.start].sum(axis=1)
    inner[:, -1] += shapes[:, MIDDLE.stop :].sum(axis=1)
    return inner / inner.sum(axis=1, keepdims=True)


def chances_as_estimated(rng: np.random.Generator, model: ErrorModel, share: float) -> np.ndarray:
    kinds = []
    for shape, scale in (
        (model.blast_shape, model.blast_scale),
        (model.other_shape, model.other_scale),
    ):
        shift = scale * np.sinh(model.tail * rng.standard_normal(PATIENTS)) / model.tail
        kinds.append(pairs(moved(np.array(shape) / sum(shape), shift)))
    mixed = share * kinds[0] + (1 - share) * kinds[1]
    drawn = rng.standard_gamma(model.worth_cells * mixed)
    return drawn / drawn.sum(axis=1, keepdims=True)


def chances_otherwise(rng: np.random.Generator, model: ErrorModel, share: float) -> np.ndarray:
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


def histograms(rng: np.random.Generator, chances: np.ndarray, cells: int) -> np.ndarray:
    counts = np.zeros((PATIENTS, 64), np.int64)
    counts[:, ::2] = rng.multinomial(cells, chances)
    return counts


def figures(model: ErrorModel, counts: np.ndarray, share: float) -> dict[str, float]:
    estimates = model.core().estimate_shares(counts)
    shapes = (np.array([shape]) / sum(shape) for shape in (model.blast_shape, model.other_shape))
    blast, other = (np.repeat(pairs(moved(s[0], np.zeros(1)))[0] / 2, 2) for s in shapes)
    called, cells = counts[:, 32:].sum(axis=1), counts.sum(axis=1)
    naive = clopper_pearson(called, cells)
    low, high = estimates["low"], estimates["high"]
    misfits = estimates["misfit"] > model.misfit_limit
    shifted = estimates["shift"] > model.shift_limit

    def error(shares: np.ndarray) -> float:
        return 100 * float(np.abs(shares - share).mean())

    return {
        "covered": float(((low <= share) & (share <= high)).mean()),
        "width": 100 * float((high - low).mean()),
        "error": error(estimates["share"]),
        "acc": error(adjusted_count(counts, blast, other)),
        "pacc": error(adjusted_probability(counts, blast, other)),
        "em": error(likeliest_share(counts, blast, other)),
        "naive_error": error(called / cells),
        "naive_covered": float(((naive["low"] <= share) & (share <= naive["high"])).mean()),
        "refused": float((misfits | shifted).mean()),
    }


@pytest.mark.parametrize("first_seed", [0, 1000])
@pytest.mark.parametrize("draw", [chances_as_estimated, chances_otherwise])
def test_intervals_cover(draw, first_seed: int, model: ErrorModel) -> None:
    print(f"\n{draw.__name__}, {PATIENTS} patients a point, seeds from {first_seed}; ", end="")
    print("widths and errors in points")
    print("  true  cells  covered  width  error   ACC  PACC    EM  naive  naive cov.  refused")
    wrong = []
    for point, (share, cells) in enumerate((s, c) for s in SHARES for c in CELLS):
        rng = np.random.default_rng(first_seed + point)
        f = figures(model, histograms(rng, draw(rng, model, share), cells), share)
        print(
            f"{100 * share:6.0f} {cells:6d} {f['covered']:8.3f} {f['width']:6.1f} "
            f"{f['error']:6.2f} {f['acc']:5.2f} {f['pacc']:5.2f} {f['em']:5.2f} "
            f"{f['naive_error']:6.2f} {f['naive_covered']:11.3f} {f['refused']:8.3f}"
        )
        least, most = (0.93, 0.98) if draw is chances_as_estimated else (0.90, 1.0)
        if share == 0:
            least, most = 0.93, 1.0  # no interval can miss 0 on both sides
        if not least <= f["covered"] <= most:
            wrong.append((share, cells, f["covered"]))
    assert not wrong
