"""What answers make of a share, in the core."""

import numpy as np
import pytest
from helpers.slow_review import MIDDLES, STRATUM, centre_of, slow_share

from bloodcell._core import RecalibrationPrior

PRIOR = {
    "intercept": (-0.9, 0.2, 10.0),
    "log_slope": (0.6, 0.1, -4.0),
    "intercept_scale": 1.4,
    "log_slope_scale": 0.3,
    "correlation": 0.2,
    "worth_cells": 110.0,
}
HISTOGRAM = np.random.default_rng(0).multinomial(
    400, np.r_[np.linspace(3, 1, 48), np.full(16, 2)] / 128
)


def core(**changes: object) -> RecalibrationPrior:
    arrays = {name: np.array(PRIOR[name]) for name in ("intercept", "log_slope")}
    return RecalibrationPrior(**(PRIOR | arrays | changes))


def by_stratum(seen: list[int]) -> np.ndarray:
    return np.bincount([STRATUM[k] for k in seen], minlength=8)


def share_of(
    seen: list[tuple[int, bool]], unseen: np.ndarray | None = None, **counts: float
) -> np.void:
    if unseen is None:
        unseen = HISTOGRAM - np.bincount([k for k, _ in seen], minlength=64)
    blasts = sum(is_blast for _, is_blast in seen)
    return core().reviewed_share(
        histogram=HISTOGRAM,
        unseen=np.asarray(unseen, np.int64),
        seen=by_stratum([k for k, _ in seen]),
        leukocytes=by_stratum([k for k, _ in seen]),
        seen_bin=np.array([k for k, _ in seen], np.uint8),
        seen_blast=np.array([is_blast for _, is_blast in seen], np.bool_),
        **{"blasts": blasts, "others": len(seen) - blasts} | counts,
    )


@pytest.mark.parametrize(
    "seen",
    [
        [],
        [(30, True)],
        [(5, False), (50, True), (33, False), (33, True), (40, True), (28, False)],
        [(3, True), (60, False), (4, True), (58, False)],
    ],
    ids=["none", "one", "as foretold", "against it"],
)
def test_the_core_computes_what_the_formulas_say(seen: list[tuple[int, bool]]) -> None:
    fast = share_of(seen)
    unseen = HISTOGRAM - np.bincount([k for k, _ in seen], minlength=64)
    blasts = sum(is_blast for _, is_blast in seen)
    slow = slow_share(PRIOR, HISTOGRAM.tolist(), unseen.tolist(), seen, blasts, len(seen) - blasts)
    for name in ("share", "low", "high"):
        assert fast[name] == pytest.approx(slow[name], abs=2e-5), name
    assert fast["bands"][:3].sum() == pytest.approx(slow["under_20"], abs=2e-5)
    assert fast["surprise"] == pytest.approx(slow["surprise"], abs=1e-4)


def test_a_run_reports_the_share_that_a_review_starts_from_and_of_what_the_cells_are_a_sample() -> (
    None
):
    reported, first = core().estimate_shares(HISTOGRAM[None])[0], share_of([])
    assert reported["share"] == pytest.approx(first["share"], abs=2e-3)
    assert reported["low"] < first["low"]
    assert reported["high"] > first["high"]
    cells = HISTOGRAM.tolist()
    slow = slow_share(PRIOR, cells, cells, [], 0, 0, is_reported=True)
    for name in ("share", "low", "high"):
        assert reported[name] == pytest.approx(slow[name], abs=2e-5), name
    assert reported["bands"][:3].sum() == pytest.approx(slow["under_20"], abs=2e-5)


def test_few_cells_without_a_blast_leave_as_much_open_as_counting_them_does() -> None:
    few = np.zeros(64, np.int64)
    few[0] = 20
    (of_few,), (of_many,) = (core().estimate_shares(n * few[None]) for n in (1, 100))
    assert of_few["high"] > 0.1  # 0 of 20 counted by hand: up to 16.8 %
    assert of_many["high"] < 0.05


def test_of_blasts_alone_or_none_the_interval_reaches_the_end() -> None:
    blasts, others = (np.zeros(64, np.int64) for _ in range(2))
    blasts[63] = others[0] = 400
    assert core().estimate_shares(blasts[None])[0]["high"] == 1
    assert core().estimate_shares(others[None])[0]["low"] == 0


def test_a_further_blast_raises_the_share() -> None:
    for k in (5, 31, 60):
        assert share_of([(k, True)])["share"] > share_of([(k, False)])["share"]


def test_answers_narrow_the_interval() -> None:
    seen = [(int(k), bool(k > 32)) for k in np.random.default_rng(1).choice(64, 60)]
    seen = [one for one in seen if HISTOGRAM[one[0]] > 5]
    widths = [share_of(seen[:n]) for n in (0, 10, len(seen))]
    assert np.all(np.diff([w["high"] - w["low"] for w in widths]) < 0)


def test_all_cells_seen_give_the_exact_share() -> None:
    share = share_of([], np.zeros(64), blasts=30, others=70)
    assert [share[name] for name in ("share", "low", "high")] == pytest.approx([0.3] * 3)
    assert 0.95 < share["bands"][3] < 1  # of the blood, of which a hundred cells were counted


def test_cells_of_which_nothing_is_learnt_count_all_the_same() -> None:
    alone, beside = share_of([]), share_of([], blasts=400, others=0)
    left = 11.5 / 12.3  # of the cells that nobody looked at, as long as nobody looked at any
    assert beside["share"] == pytest.approx((1 + left * alone["share"]) / (1 + left), abs=1e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"histogram": np.zeros(64, np.int64)}, "not all 0"),
        ({"unseen": np.full(64, -1)}, "0 or more"),
        ({"leukocytes": np.full(8, 2)}, "expected 0 to those seen in stratum 0"),
        ({"seen_bin": np.array([64], np.uint8)}, "bins of 0 to 63, found 64"),
        ({"seen_blast": np.ones(2, np.bool_)}, r"expected shape \(1,\)"),
        ({"blasts": -1.0}, "0 or more"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, object], message: str) -> None:
    good = {
        "histogram": HISTOGRAM,
        "unseen": HISTOGRAM,
        "seen": np.ones(8, np.int64),
        "leukocytes": np.zeros(8, np.int64),
        "seen_bin": np.array([3], np.uint8),
        "seen_blast": np.ones(1, np.bool_),
        "blasts": 1.0,
        "others": 0.0,
    }
    with pytest.raises(ValueError, match=message):
        core().reviewed_share(**(good | changes))


def test_a_prior_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="correlation"):
        core(correlation=-1.0)
    with pytest.raises(ValueError, match="worth_cells"):
        core(worth_cells=0.0)
    with pytest.raises(ValueError, match="scale"):
        core(intercept_scale=0.0)


def test_intervals_hold_the_shares_of_patients_drawn_from_the_prior() -> None:
    rng, prior, covered = np.random.default_rng(7), core(), []
    for _ in range(200):
        chance = drawn_chances(rng)
        blasts = rng.binomial(HISTOGRAM, chance)
        cells = np.repeat(np.arange(64), HISTOGRAM)
        each = zip(HISTOGRAM, blasts, strict=True)
        is_blast = np.concatenate([rng.permutation(np.arange(n) < k) for n, k in each])
        picked = rng.choice(len(cells), 20, replace=False)
        seen = by_stratum(cells[picked].tolist())
        share = prior.reviewed_share(
            histogram=HISTOGRAM,
            unseen=HISTOGRAM - np.bincount(cells[picked], minlength=64),
            seen=seen,
            leukocytes=seen,
            seen_bin=cells[picked].astype(np.uint8),
            seen_blast=is_blast[picked],
            blasts=float(is_blast[picked].sum()),
            others=float((~is_blast[picked]).sum()),
        )
        covered.append(share["low"] <= is_blast.mean() <= share["high"])
    assert 0.90 <= np.mean(covered) <= 0.99


def drawn_chances(rng: np.random.Generator) -> np.ndarray:
    """Of each bin, from the prior."""
    u = rng.standard_normal(2) / np.sqrt(rng.chisquare(6) / 6)
    u[1] = 0.2 * u[0] + np.sqrt(1 - 0.04) * u[1]
    a = centre_of(PRIOR["intercept"], HISTOGRAM.tolist()) + 1.4 * u[0]
    c = centre_of(PRIOR["log_slope"], HISTOGRAM.tolist()) + 0.3 * u[1]
    mu = np.clip(1 / (1 + np.exp(-(a + np.exp(c) * np.array(MIDDLES)))), 1e-3, 1 - 1e-3)
    strength = np.maximum(0.5, 110 * HISTOGRAM / HISTOGRAM.sum() - 1)
    return rng.beta(strength * mu, strength * (1 - mu))
