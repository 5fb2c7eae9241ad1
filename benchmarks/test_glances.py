"""What a few cells looked at are worth, on held-out patients; run with `pytest -s`, some minutes.

The default network's 82 held-out patients, each cell by a network that never saw its patient, and
the prior of reviews by nine tenths of the other patients. Each patient's cells are repeated to some
5,000, which makes a true share; 20 draws each. Cells are chosen in rounds of ten, as the report
asks for them. The network's probabilities and the readers' labels are held_out.parquet's.

"Misread most": the 12 patients whose mean blast probability lies furthest from the true share.
"More reliable half": whose cells called leukocytes are labelled as the class called most often.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from helpers.prediction_powered import active, active_chances, prediction_powered

from bloodcell._core import RecalibrationPrior, clopper_pearson
from bloodcell.error_model import fit_error_model
from bloodcell.error_model.histograms import accumulated, log_odds_of
from bloodcell.error_model.refit import HeldOut
from bloodcell.folds import fold_of_patients
from bloodcell.model import load_model
from bloodcell.review import CELLS_OF_A_ROUND
from bloodcell.review.draw import next_places
from bloodcell.review.estimate import ReviewedShare, reviewed_share
from bloodcell.review.leukocytes import Leukocytes
from bloodcell.review.patient import Answers, PatientReview
from bloodcell.review.sample import Sample, SampleShare, sample_share

DRAWS = 20
CELLS = 5000
GLANCES = (0, 10, 20, 50)
COUNTED = (50, 100, 200, 400)

Interval = tuple[float, float, float]


class Patient:
    """Repeated cells and the prior that others give."""

    def __init__(self, log_odds: np.ndarray, is_blast: np.ndarray, reliability: float) -> None:
        copies = round(CELLS / len(log_odds))
        order = np.random.default_rng(0).permutation(copies * len(log_odds))
        self.is_blast = np.repeat(is_blast, copies)[order]
        repeated = np.repeat(log_odds, copies)[order]
        self.probability = 1 / (1 + np.exp(-repeated))
        self.cells = Leukocytes(np.arange(len(order)), repeated.astype(np.float32))
        self.true = float(self.is_blast.mean())
        self.misread = abs(self.true - float(self.probability.mean()))
        self.reliability = reliability
        self.prior: RecalibrationPrior | None = None

    def review(self, rows: np.ndarray) -> PatientReview:
        """After the cells of ``rows`` were looked at."""
        answers = Answers(rows, self.is_blast[rows], np.ones(len(rows), np.bool_))
        nobody_can_tell = np.zeros(0, np.int64)
        return PatientReview(self.cells, rows, nobody_can_tell, answers, self.prior)


@pytest.fixture(scope="module")
def patients() -> list[Patient]:
    model = load_model()
    held_out, scheme = HeldOut.read(model.folder), model.scheme
    used = held_out.is_leukocyte(scheme)
    names, owner = np.unique(held_out.patient[used], return_inverse=True)
    log_odds = log_odds_of(held_out.blast_probability[used])
    is_blast, agrees = held_out.is_blast(scheme)[used], (held_out.label == held_out.called)[used]
    own = [owner == i for i in range(len(names))]
    every = [Patient(log_odds[o], is_blast[o], float(agrees[o].mean())) for o in own]
    counts = accumulated(log_odds, owner, len(names))
    blasts = np.bincount(owner, is_blast, len(names))
    fold = fold_of_patients(blasts / counts.sum(axis=1), 10)
    for number in np.unique(fold):
        others = np.isin(owner, np.flatnonzero(fold != number))
        fitted = fit_error_model(
            held_out.blast_probability[used][others],
            is_blast[others],
            np.ones(others.sum(), np.bool_),
            owner[others].astype(np.str_),
            held_out="of each other",
        )
        for i in np.flatnonzero(fold == number):
            every[i].prior = fitted.recalibration.core()
    return every


def round_by_round(
    patient: Patient, rng: np.random.Generator, cells: int
) -> Iterator[tuple[int, PatientReview]]:
    """Glances and the review after each round of so many cells, chosen as the plan would."""
    rows, seed, trusted = np.zeros(0, np.int64), [int(rng.integers(2**31))], True
    while len(rows) < GLANCES[-1]:
        if len(rows):
            trusted = reviewed_share(patient.review(rows)).basis == "model"
        rows = np.r_[rows, next_places(patient.review(rows), cells, seed, trusted=trusted)]
        yield len(rows), patient.review(rows)


def in_rounds(patient: Patient, rng: np.random.Generator) -> Iterator[tuple[str, Interval]]:
    """Model, contradicted or not, and sample alone."""
    yield "0 glances", interval_of(reviewed_share(patient.review(np.zeros(0, np.int64))))
    for glances, review in round_by_round(patient, rng, CELLS_OF_A_ROUND):
        if glances in GLANCES:
            yield f"{glances} glances", interval_of(reviewed_share(review))
            by_sample = sample_share(review.sample)
            yield f"{glances} glances, the sample alone", interval_of(by_sample)


def five_at_a_time(patient: Patient, rng: np.random.Generator) -> Iterator[tuple[str, Interval]]:
    for glances, review in round_by_round(patient, rng, 5):
        if glances in GLANCES:
            yield f"{glances} glances, five at a time", interval_of(reviewed_share(review))


def interval_of(share: ReviewedShare | SampleShare) -> Interval:
    return share.share, share.low, share.high


def in_one_batch(patient: Patient, rng: np.random.Generator) -> Iterator[tuple[str, Interval]]:
    for glances in GLANCES[1:]:
        nothing = patient.review(np.zeros(0, np.int64))
        rows = next_places(nothing, glances, [int(rng.integers(2**31))], trusted=True)
        share = reviewed_share(patient.review(rows))
        yield f"{glances} glances, one batch", interval_of(share)


def at_random(patient: Patient, rng: np.random.Generator) -> Iterator[tuple[str, Interval]]:
    cells = len(patient.cells.row)
    for glances in GLANCES[2:]:
        rows = rng.choice(cells, glances, replace=False)
        share = reviewed_share(patient.review(rows))
        yield f"{glances} at random, the model", interval_of(share)
        labels = patient.is_blast[rows].astype(float)
        yield (
            f"{glances}, prediction-powered",
            prediction_powered(labels, patient.probability[rows], patient.probability),
        )
        chance = active_chances(patient.probability, glances)
        rows = np.flatnonzero(rng.random(cells) < chance)
        yield (
            f"{glances}, active prediction-powered",
            active(patient.is_blast[rows].astype(float), rows, chance, patient.probability),
        )


def neyman(patient: Patient, rng: np.random.Generator) -> Iterator[tuple[str, Interval]]:
    """Strata's parts by size and predicted deviation (Neyman 1934), two each at least."""
    stratum = patient.cells.stratum
    sizes = np.bincount(stratum, minlength=8)
    unsure = np.bincount(stratum, patient.probability * (1 - patient.probability), 8)
    weight = np.sqrt(sizes * unsure)
    for glances in GLANCES[2:]:
        drawn = np.minimum(sizes, 2)
        while drawn.sum() < glances:
            drawn[np.where(drawn < sizes, weight / (drawn + 0.5), -1).argmax()] += 1
        blasts = np.array(
            [
                patient.is_blast[rng.choice(np.flatnonzero(stratum == h), n, replace=False)].sum()
                for h, n in enumerate(drawn)
            ]
        )
        share = sample_share(Sample(sizes, drawn, blasts, drawn - blasts))
        yield f"{glances}, Neyman's strata alone", interval_of(share)


def by_hand(patient: Patient, rng: np.random.Generator) -> Iterator[tuple[str, Interval]]:
    for cells in COUNTED:
        blasts = int(rng.choice(patient.is_blast, cells, replace=False).sum())
        exact = clopper_pearson(np.array([blasts]), np.array([cells]))[0]
        yield (
            f"{cells} counted by hand",
            (blasts / cells, float(exact["low"]), float(exact["high"])),
        )


Method = Callable[[Patient, np.random.Generator], Iterator[tuple[str, Interval]]]
METHODS: tuple[Method, ...] = (in_rounds, five_at_a_time, in_one_batch, at_random, neyman, by_hand)


def results(patients: list[Patient]) -> dict[str, np.ndarray]:
    """Of each method, (P, draws, 3): error and width in points, and whether covered."""
    collected: dict[str, np.ndarray] = {}
    for i, patient in enumerate(patients):
        for draw in range(DRAWS):
            rng = np.random.default_rng([i, draw])
            for method in METHODS:
                for name, (share, low, high) in method(patient, rng):
                    own = collected.setdefault(name, np.full((len(patients), DRAWS, 3), np.nan))
                    covered = low - 1e-9 <= patient.true <= high + 1e-9
                    error, width = 100 * abs(share - patient.true), 100 * (high - low)
                    own[i, draw] = error, width, covered
    return collected


def test_twenty_glances_are_worth_two_hundred_cells(patients: list[Patient]) -> None:
    figures = results(patients)
    misread = np.argsort([-p.misread for p in patients])[:12]
    reliable = np.argsort([-p.reliability for p in patients], kind="stable")[: len(patients) // 2]
    print(f"\n{len(patients)} patients, {DRAWS} draws; error, width in points")
    print(
        "| | error | median | covered | width | misread most: covered, error | "
        "reliable half: error, covered, width | least covered patient |"
    )
    for name, own in figures.items():
        error, width, covered = np.moveaxis(own, 2, 0)
        print(
            f"| {name} | {error.mean():.2f} | {np.median(error):.2f} | {covered.mean():.3f} | "
            f"{width.mean():.1f} | {covered[misread].mean():.2f}, {error[misread].mean():.1f} | "
            f"{error[reliable].mean():.2f}, {covered[reliable].mean():.3f}, "
            f"{width[reliable].mean():.1f} | {covered.mean(axis=1).min():.2f} |"
        )
    for glances, most_error, most_width in ((20, 1.6, 9.0), (50, 1.1, 5.5)):
        error, width, covered = np.moveaxis(figures[f"{glances} glances"], 2, 0)
        assert error.mean() <= most_error
        assert width.mean() <= most_width
        assert 0.93 <= covered.mean() <= 0.98
        assert covered[misread].mean() >= 0.90
        alone = figures[f"{glances} glances, the sample alone"][..., 2]
        assert alone.mean(axis=1).min() >= 0.93
