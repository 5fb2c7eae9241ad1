"""The share that a sample alone gives, and which of the two a review ends with."""

from pathlib import Path

import numpy as np
import pytest
from helpers.labelled_runs import BLAST
from helpers.reviewed_runs import OTHER, SMUDGE, answers_to, log_odds_of, reviewed_run

from bloodcell._core import clopper_pearson
from bloodcell.review.draw import _by_size
from bloodcell.review.estimate import reviewed_shares
from bloodcell.review.patient import by_stratum
from bloodcell.review.plan import plan_review
from bloodcell.review.sample import Sample, SampleShare, sample_share


def share_of(
    cells: list[int], seen: list[int], blasts: list[int], others: list[int], **known: int
) -> SampleShare:
    counts = (np.array(numbers, np.int64) for numbers in (cells, seen, blasts, others))
    return sample_share(Sample(*counts, **known))


def test_one_stratum_has_the_exact_interval() -> None:
    exact = clopper_pearson(np.array([3]), np.array([20]))[0]
    share = share_of([1_000_000], [20], [3], [17])
    assert share.share == 0.15
    assert (share.low, share.high) == pytest.approx((exact["low"], exact["high"]), abs=1e-5)


def test_distances_are_added_in_squares() -> None:
    share = share_of([10**9, 10**9], [10, 10], [0, 5], [10, 5])
    zero, half = (clopper_pearson(np.array([k]), np.array([10]))[0] for k in (0, 5))
    assert share.share == pytest.approx(0.25)
    above = np.hypot(zero["high"] / 2, (half["high"] - 0.5) / 2)
    below = (0.5 - half["low"]) / 2
    # Of the unseen .9887 are leukocytes, give or take .0240: 1.96 * .25 * .0240 / .9887 / 2 ** .5.
    assert share.high == pytest.approx(0.25 + np.hypot(above, 0.0084), abs=2e-5)
    assert share.low == pytest.approx(0.25 - np.hypot(below, 0.0084), abs=2e-5)


def test_strata_nobody_looked_at_are_all_or_nothing_together() -> None:
    share = share_of([80, 10, 10], [80, 0, 0], [0, 0, 0], [80, 0, 0])
    assert (share.low, share.share, share.high) == pytest.approx((0, 0.1, 0.2), abs=4e-3)


def test_all_cells_seen_give_a_point() -> None:
    share = share_of([10, 5], [10, 5], [4, 1], [6, 4])
    assert (share.low, share.share, share.high) == pytest.approx((1 / 3,) * 3)


def test_known_cells_are_counted_and_infer_nothing() -> None:
    alone = share_of([100], [10], [5], [5])
    beside = share_of([100], [10], [5], [5], known=100, known_blasts=100)
    assert beside.share == pytest.approx((1 + alone.share) / 2, abs=2e-3)
    assert beside.high - beside.low == pytest.approx((alone.high - alone.low) / 2, rel=0.05)


def test_cells_that_are_no_leukocytes_leave_the_denominator() -> None:
    share = share_of([100, 100], [10, 10], [10, 0], [0, 5])
    part = (11.5 + 15) / (12.3 + 20)
    unseen = [90 * (8.4 * part + leukocytes) / 18.4 for leukocytes in (10, 5)]
    assert share.share == pytest.approx((10 + unseen[0]) / (15 + sum(unseen)))
    assert np.isnan(share_of([10], [10], [0], [0]).share)


def test_counts_that_contradict_each_other_are_refused() -> None:
    most = np.iinfo(np.int64).max
    for counts in ([5], [6], [0], [0]), ([5], [5], [4], [2]), ([5], [5], [most], [most]):
        with pytest.raises(ValueError, match="stratum 0"):
            share_of(*counts)
    for known in ({"known": -1}, {"known": 1, "known_blasts": 2}, {"known_blasts": -1}):
        with pytest.raises(ValueError, match="known_blasts"):
            share_of([5], [5], [4], [1], **known)


def test_intervals_cover_whatever_the_strata_hold() -> None:
    rng, cells = np.random.default_rng(0), np.array([3000, 500, 300, 200, 200, 300, 300, 200])
    drawn = np.array([10, 3, 3, 3, 3, 3, 3, 2])
    for chances in (np.zeros(8), np.linspace(0.02, 0.9, 8), np.full(8, 0.05), np.full(8, 0.5)):
        blasts = rng.binomial(cells, chances)
        true, covered = blasts.sum() / cells.sum(), []
        for _ in range(400):
            k = rng.hypergeometric(blasts, cells - blasts, drawn)
            share = sample_share(Sample(cells, drawn, k, drawn - k))
            covered.append(share.low - 1e-9 <= true <= share.high + 1e-9)
        assert np.mean(covered) >= 0.93


@pytest.mark.parametrize("cells", [[700, 70, 70, 70, 0, 0, 0, 90], [50, 8, 8, 8, 8, 8, 0, 10]])
def test_intervals_cover_though_some_strata_were_not_looked_at(cells: list[int]) -> None:
    rng = np.random.default_rng(3)
    drawn = by_stratum(np.array(_by_size(np.array(cells), np.zeros(8, np.int64), cells, 10)))
    assert ((drawn == 0) & (np.array(cells) > 0)).sum() >= 2
    blasts = np.array([0, 0, 0, 0, 0, 0, 0, round(0.45 * cells[-1])])
    covered = []
    for _ in range(400):
        k = rng.hypergeometric(blasts, np.array(cells) - blasts, drawn)
        share = sample_share(Sample(np.array(cells), drawn, k, drawn - k))
        covered.append(share.low <= blasts.sum() / sum(cells) <= share.high)
    assert np.mean(covered) >= 0.95


@pytest.fixture
def shares(tmp_path: Path):
    """Shares after a plan's 30 cells were answered by a rule of their log-odds."""
    log_odds = log_odds_of(1000, 0.3, 3)

    def answered(rule, refused: bool = False, clicked: tuple[tuple[int, str], ...] = ()):
        folder = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        run = reviewed_run(folder, {"P": log_odds}, {} if refused else {"P": (10.0, 50.0)})
        plan = plan_review(run, 30)
        rows = plan["row"].to_pylist()
        classes = [rule(log_odds[row]) for row in rows] + [c for _, c in clicked]
        rows += [row for row, _ in clicked]
        return reviewed_shares(run, answers_to(rows, ["P"] * len(rows), classes), plan).to_pylist()[
            0
        ]

    return answered


def test_answers_that_fit_narrow_the_models_interval(shares) -> None:
    row = shares(lambda x: BLAST if x > 0 else OTHER)
    assert row["basis"] == "model"
    assert row["cells_looked_at"] == 30
    assert row["blast_percent_high"] - row["blast_percent_low"] < 12
    bands = [row[name] for name in row if name.startswith("band_")]
    assert sum(bands) == pytest.approx(1)


def test_answers_that_contradict_the_model_leave_the_sample(shares) -> None:
    row = shares(lambda x: OTHER if x > 0 else BLAST)
    assert row["basis"] == "sample"
    assert row["blast_percent_low"] < 70 < row["blast_percent_high"]


def test_a_refused_patient_gets_the_samples_interval(shares) -> None:
    row = shares(lambda x: BLAST if x > 0 else OTHER, refused=True)
    assert row["basis"] == "sample"
    assert row["blast_percent_low"] < 30 < row["blast_percent_high"]
    bands = [row[name] for name in row if name.startswith("band_")]
    assert sum(bands) == pytest.approx(1)


def test_a_clicked_cell_is_known_and_no_part_of_the_sample(shares) -> None:
    def rule(x: float) -> str:
        return BLAST if x > 0 else OTHER

    smudge = 6  # called no leukocyte; a reader who calls it one adds it to the denominator
    before, after = shares(rule), shares(rule, clicked=((smudge, BLAST),))
    assert after["cells_looked_at"] == 31
    added = 100 * (1 - before["blast_percent"] / 100) / 859
    assert after["blast_percent"] - before["blast_percent"] == pytest.approx(added, abs=0.02)


def test_a_reader_may_say_that_a_cell_is_no_leukocyte(shares) -> None:
    row = shares(lambda x: SMUDGE if x < -2.5 else BLAST if x > 0 else OTHER, refused=True)
    assert row["blast_percent"] > 50
