"""What the answers of a review make of a patient's share."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from bloodcell._core import LEAST_SURPRISE
from bloodcell.bands import BANDS
from bloodcell.review.patient import PatientReview, reviews
from bloodcell.review.sample import SampleShare, sample_share
from bloodcell.run import Run
from bloodcell.shares import ADJUSTED

Basis = Literal["model", "sample"]

_SCHEMA = pa.schema(
    [
        ("patient", pa.string()),
        ("cells_looked_at", pa.int64()),
        *((name, pa.float64()) for name in (*ADJUSTED, *BANDS)),
        ("basis", pa.string()),
    ]
)


@dataclass(frozen=True)
class ReviewedShare:
    """Shares of 0 to 1 with the interval of 95 %; NaN where no leukocyte is left."""

    share: float
    low: float
    high: float
    bands: tuple[float, ...]
    """Chances of under 5, 5 to under 10, 10 to under 20 and 20 % or more, in the blood."""
    basis: Basis


def reviewed_shares(run: Run, answers: pa.Table, planned: pa.Table) -> pa.Table:
    """One row a patient of ``answers``, sorted by name.

    ``answers`` has ``patient``, ``row`` and ``reviewed_class``, each cell once, classes of the
    run's scheme; ``planned`` is the plan. Columns: ``patient``, ``cells_looked_at``; share,
    interval and bands named as in patients.parquet, null where no leukocyte is left; ``basis``,
    which is ``model``, or ``sample`` where the network is not trusted or the answers contradict
    it. A cell that was answered but not planned is known and no part of the sample. One that the
    network called a leukocyte and the reader does not leaves the denominator, one that only the
    reader calls so enters it.
    """
    names = set(answers["patient"].to_pylist())
    rows = [
        _row(name, review, reviewed_share(review))
        for name, review in reviews(run, answers, planned, names)
    ]
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


def reviewed_share(review: PatientReview) -> ReviewedShare:
    """One patient's share after the answers: by the model, unless they contradict it."""
    by_sample = sample_share(review.sample)
    if review.prior is None or not by_sample.share >= 0:
        return _of_sample(by_sample)
    answers = review.answers
    by_model = review.prior.reviewed_share(
        **review.for_core,
        blasts=float(answers.is_blast.sum()),
        others=float((answers.is_leukocyte & ~answers.is_blast).sum()),
    )
    if by_model["surprise"] < LEAST_SURPRISE:
        return _of_sample(by_sample)
    share, low, high = (float(by_model[name]) for name in ("share", "low", "high"))
    return ReviewedShare(share, low, high, tuple(map(float, by_model["bands"])), "model")


def _of_sample(sample: SampleShare) -> ReviewedShare:
    return ReviewedShare(sample.share, sample.low, sample.high, sample.bands, "sample")


def _row(name: str, review: PatientReview, share: ReviewedShare) -> dict[str, object]:
    is_known = share.share >= 0
    percents = [100 * share.share, 100 * share.low, 100 * share.high]
    return {
        "patient": name,
        "cells_looked_at": len(review.answers.row),
        "basis": share.basis,
        **(
            dict(zip((*ADJUSTED, *BANDS), (*percents, *share.bands), strict=True))
            if is_known
            else {}
        ),
    }
