"""Shares against oracles: statsmodels, QuaPy, plain grids; and equal bytes in any order."""

from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from helpers.drawn_patients import bell, histogram, histogram_of, shift_model
from helpers.label_shift import adjusted_count, adjusted_probability, likeliest_share
from helpers.reviewed_runs import RECALIBRATION
from helpers.small_accumulators import make
from hypothesis import given, settings
from hypothesis import strategies as st

from bloodcell._core import MIXTURE_FIT, SHARE_ESTIMATE, clopper_pearson
from bloodcell.error_model.shapes import moved

PRIOR = RECALIBRATION.core()
EDGES = [-4.0, -2.0, 0.0, 2.0, 4.0]


def test_clopper_pearson_equals_statsmodels() -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    pairs = [(k, n) for n in (1, 2, 17, 200, 5000, 10**6) for k in {0, 1, n // 7, n // 2, n - 1, n}]
    hits, trials = (np.array(column, np.int64) for column in zip(*pairs, strict=True))
    interval = clopper_pearson(hits, trials)
    low, high = proportion.proportion_confint(hits, trials, method="beta")
    np.testing.assert_allclose(interval["low"], low, rtol=0, atol=1e-9)
    np.testing.assert_allclose(interval["high"], high, rtol=0, atol=1e-9)
    assert np.isnan(clopper_pearson(np.array([0]), np.array([0])).tolist()).all()
    with pytest.raises(ValueError, match="expected 0 to 3, found 4"):
        clopper_pearson(np.array([4]), np.array([3]))


@pytest.fixture(scope="module")
def chances() -> list[np.ndarray]:
    """Each of the 64 bins' chance for blasts and for others."""
    edges = np.linspace(-8, 8, 65)
    middle = (edges[1:] + edges[:-1]) / 2
    kinds = [np.exp(-0.5 * ((middle - centre) / 2) ** 2) + 1e-6 for centre in (3, -4)]
    return [kind / kind.sum() for kind in kinds]


def test_likeliest_share_equals_quapy(
    chances: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    EMQ = pytest.importorskip("quapy.method.aggregative").EMQ  # noqa: N806 - its name

    monkeypatch.setattr(EMQ, "MAX_ITER", 100_000)
    blast, other = chances
    rng = np.random.default_rng(0)
    counts = np.array([histogram(rng, share, 300) for share in (0, 0.02, 0.3, 0.9, 1)])
    shares = likeliest_share(counts, blast, other)
    posterior = np.stack([other, blast], axis=1) / (blast + other)[:, None]
    for row, share in zip(counts, shares, strict=True):
        cells = np.repeat(posterior, row, axis=0)
        prevalence, _ = EMQ.EM(np.array([0.5, 0.5]), cells, epsilon=1e-12)
        assert share == pytest.approx(prevalence[1], abs=1e-6)


@pytest.mark.parametrize("estimate", [adjusted_count, adjusted_probability])
def test_adjusted_counts_are_solved_for_the_share(
    chances: list[np.ndarray], estimate: Callable[..., np.ndarray]
) -> None:
    """A histogram that is the mixture itself gives the share back, by either count."""
    blast, other = chances
    counts = np.rint(1e9 * (0.3 * blast + 0.7 * other)).astype(np.int64)[None]
    assert estimate(counts, blast, other) == pytest.approx(0.3, abs=1e-6)
    few_blasts = np.zeros((1, 64), np.int64)
    few_blasts[0, 0] = 100
    assert estimate(few_blasts, blast, other) == 0


def best_plainly(counts: np.ndarray, worth: float) -> tuple[float, float]:
    """Of the best mixture on plain even grids: misfit, and length of the shifts."""
    z = np.linspace(-6, 6, 121)
    group = np.eye(6)[np.searchsorted(EDGES, np.arange(-13.75, 14, 0.5))]
    moved_blast, moved_other = (
        moved(shape / shape.sum(), scale * np.sinh(0.5 * z) / 0.5)
        for shape, scale in ((bell(3), 0.8), (bell(-4), 0.6))
    )
    blast, other = moved_blast @ group, moved_other @ group
    pairs = counts.reshape(32, 2).sum(axis=1)
    weight = 1 / (1 + pairs.sum() / worth)
    best = (-np.inf, 0.0, 0, 0)
    for share in np.sin(np.linspace(0, np.pi / 2, 301)) ** 2:
        mixed = share * blast[:, None] + (1 - share) * other[None, :]
        log = weight * (np.log(mixed) @ (pairs @ group[12:44]))
        log -= 0.5 * (z[:, None] ** 2 + z[None, :] ** 2)
        i, j = np.unravel_index(log.argmax(), log.shape)
        best = max(best, (log[i, j], share, i, j))
    _, share, i, j = best
    masses = share * moved_blast[i] + (1 - share) * moved_other[j]
    inner = np.r_[masses[:13].sum(), masses[13:43], masses[43:].sum()]
    return misfit_plainly(pairs, pairs.sum() * inner, weight), float(np.hypot(z[i], z[j]))


def misfit_plainly(pairs: np.ndarray, expected: np.ndarray, weight: float) -> float:
    """Pearson's statistic over pairs joined to five expected cells, as a normal score."""
    joined = [[0.0, 0.0]]
    for k, (seen, of) in enumerate(zip(pairs, expected, strict=True)):
        joined[-1][0] += seen
        joined[-1][1] += of
        if k < 31 and joined[-1][1] >= 5 and expected[k + 1 :].sum() >= 5:
            joined.append([0.0, 0.0])
    statistic = weight * sum((seen - of) ** 2 / of for seen, of in joined)
    freedom = max(len(joined) - 2, 1)
    spread = 2 / (9 * freedom)
    return float((np.cbrt(statistic / freedom) - (1 - spread)) / np.sqrt(spread))


@pytest.mark.parametrize(
    ("share", "cells"), [(0.0, 200), (0.05, 60), (0.2, 500), (0.6, 5000), (1.0, 30)]
)
def test_the_best_mixture_is_that_of_plain_grids(share: float, cells: int) -> None:
    counts = histogram(np.random.default_rng(3), share, cells)
    (fit,) = shift_model().fit_mixtures(counts[None])
    misfit, shift = best_plainly(counts, worth=300.0)
    assert fit["misfit"] == pytest.approx(misfit, abs=0.1)
    assert fit["shift"] == pytest.approx(shift, abs=0.1)


@pytest.mark.parametrize(
    ("cells_at", "worth"),
    [
        ({-1.0: 500, 6.0: 500}, 300.0),  # each kind in one group: steep modes of the shifts
        ({-7.0: 200}, 3000.0),  # other cells alone, or blasts taken for them: two modes
    ],
)
def test_odd_patients_have_the_mixture_of_plain_grids_too(
    cells_at: dict[float, int], worth: float
) -> None:
    counts = histogram_of(np.repeat(list(cells_at), list(cells_at.values())))
    (fit,) = shift_model(worth_cells=worth).fit_mixtures(counts[None])
    misfit, shift = best_plainly(counts, worth)
    assert fit["misfit"] == pytest.approx(misfit, rel=0.02)
    assert fit["shift"] == pytest.approx(shift, abs=0.1)


def test_a_moved_shape_keeps_what_leaves_the_bins() -> None:
    shape = bell(-4) / bell(-4).sum()
    far = moved(shape, np.array([-9.0, 0.0, 12.0]))
    np.testing.assert_allclose(far.sum(axis=1), 1, atol=1e-9)
    assert far[0, 0] > 0.3  # what lies below -14 when moved by -9: below -5 before


def test_ends_are_neared_and_no_cell_gives_nothing() -> None:
    rng = np.random.default_rng(0)
    counts = np.stack([histogram(rng, 0, 500), histogram(rng, 1, 500), np.zeros(64, np.int64)])
    none, all_of_them, nobody = PRIOR.estimate_shares(counts)
    assert none["low"] < 0.001
    assert all_of_them["high"] > 0.98
    assert np.isnan(np.hstack(nobody.tolist())).all()
    assert np.isnan(np.hstack(shift_model().fit_mixtures(counts)[2].tolist())).all()


@pytest.mark.parametrize("core", [PRIOR.estimate_shares, shift_model().fit_mixtures])
def test_threads_change_nothing_and_bad_input_is_refused(core: Callable[..., np.ndarray]) -> None:
    rng = np.random.default_rng(0)
    counts = np.array([histogram(rng, rng.random(), 100) for _ in range(7)])
    expected = core(counts)
    assert core(counts, threads=3).tobytes() == expected.tobytes()
    assert core(counts, threads=20).tobytes() == expected.tobytes()
    nobody = core(counts[:0])
    assert (nobody.shape, nobody.dtype) == ((0,), expected.dtype)
    assert expected.dtype in (SHARE_ESTIMATE, MIXTURE_FIT)
    with pytest.raises(ValueError, match="counts of 0 or more, found -1"):
        core(np.full((1, 64), -1))
    with pytest.raises(ValueError, match="threads: expected 1 or more"):
        core(counts, threads=0)
    with pytest.raises(TypeError, match="expected dtype int64"):
        core(counts.astype(float))
    with pytest.raises(ValueError, match="worth in cells above 0"):
        shift_model(worth_cells=0.0)


@settings(max_examples=25)
@given(st.randoms(use_true_random=False), st.integers(1, 4))
def test_shares_are_equal_bytes_in_any_order_and_split(random: Random, parts: int) -> None:
    """The accumulator's promise, carried on to the estimates."""
    rng = np.random.default_rng(0)
    blast = rng.random(60, dtype=np.float32) * 0.9
    probability = np.stack([blast, 0.9 - blast, np.full(60, 0.1)], axis=1).astype(np.float32)
    patient = (np.arange(60) % 2).astype(np.int32)
    rows = np.arange(60)

    def shares(pieces: list[np.ndarray]) -> bytes:
        whole = make()
        for piece in pieces:
            part = make()
            part.add(patient[piece], rows[piece], np.ascontiguousarray(probability[piece]))
            whole.merge(part)
        counts = whole.blast_histogram
        fits = shift_model().fit_mixtures(counts)
        return PRIOR.estimate_shares(counts).tobytes() + fits.tobytes()

    order = list(range(60))
    random.shuffle(order)
    assert shares(np.array_split(np.array(order), parts)) == shares([np.arange(60)])
