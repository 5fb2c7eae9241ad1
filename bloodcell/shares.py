"""Blast shares of patients: naive with an exact interval, and adjusted where that is valid."""

import math
from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bloodcell._core import clopper_pearson
from bloodcell.bands import BANDS
from bloodcell.error_model import ErrorModel
from bloodcell.errors import InputError
from bloodcell.run_record import Job
from bloodcell.scheme import Equivalents, Specimen

ADJUSTED = ("blast_percent", "blast_percent_low", "blast_percent_high")
IS_ADJUSTED = "adjusted"
"""What the column ``adjustment`` says where the adjusted columns hold; else it says why not."""

DENOMINATORS = {
    "blood": ("leukocyte", "leukocytes"),
    "marrow": (
        "nucleated cell, erythroid ones included",
        "nucleated cells, erythroid ones included",
    ),
}
"""What a share is of, by specimen: one of them, and several."""

_NO_ERROR_MODEL = "no error model in the model card"
_MISFIT = (
    "scores fit no mixture of blasts and other cells: is it the scanner and stain of the model?"
)
_SHIFTED = "scores lie far from those the model knows: is it its scanner and stain?"


@dataclass(frozen=True)
class Counting:
    """What is counted, and how well; part of what a run's results are a function of."""

    profile: Specimen
    blast_equivalents: Equivalents
    interval_width: float
    """Points of blast share."""

    @staticmethod
    def of(job: Job) -> "Counting":
        """As a run of ``job`` counts."""
        return Counting(job.profile, job.blast_equivalents, job.interval_width)

    def __post_init__(self) -> None:
        for name, known in (("profile", Specimen), ("blast_equivalents", Equivalents)):
            if getattr(self, name) not in get_args(known):
                raise InputError(f"{name} is one of {get_args(known)}, not {getattr(self, name)!r}")
        if not (math.isfinite(self.interval_width) and self.interval_width > 0):
            raise InputError(f"interval width is above 0 points: {self.interval_width} given")


def naive_columns(
    blasts: npt.NDArray[np.int64], denominator: npt.NDArray[np.int64]
) -> dict[str, pa.Array]:
    """Share of cells called blasts, in percent, with its Clopper-Pearson 95 % interval.

    Both (P,). The interval is for the share of cells *called* blasts: it knows nothing of the
    network's errors. Null where the denominator is 0.
    """
    empty = denominator == 0
    interval = clopper_pearson(blasts, denominator)
    return {
        "blast_percent_naive": pa.array(100.0 * blasts / np.maximum(denominator, 1), mask=empty),
        "blast_percent_naive_low": pa.array(100.0 * interval["low"], mask=empty),
        "blast_percent_naive_high": pa.array(100.0 * interval["high"], mask=empty),
    }


def adjusted_columns(
    histogram: npt.NDArray[np.int64],
    error_model: ErrorModel | None,
    counting: Counting,
    threads: int = 1,
) -> dict[str, pa.Array]:
    """``adjustment``, adjusted share, bands and ``sufficient`` from ``histogram`` (P, 64).

    All but ``adjustment`` are null where it gives a reason.
    """
    patients = len(histogram)
    why_not = why_not_adjusted(error_model, counting)
    if error_model is None or why_not:
        unknown = pa.nulls(patients, pa.float64())
        columns: dict[str, pa.Array] = {"adjustment": pa.array([why_not] * patients, pa.string())}
        columns |= dict.fromkeys(ADJUSTED + BANDS, unknown)
        return columns | {"sufficient": pa.nulls(patients, pa.bool_())}
    estimates = error_model.recalibration.core().estimate_shares(histogram, threads)
    fits = error_model.gate().fit_mixtures(histogram, threads)
    reasons = _reasons(histogram, fits, error_model)
    invalid = np.array([reason != IS_ADJUSTED for reason in reasons], np.bool_)
    columns = {"adjustment": pa.array(reasons, pa.string())}
    for name, field in zip(ADJUSTED, ("share", "low", "high"), strict=True):
        columns[name] = pa.array(100.0 * estimates[field], mask=invalid)
    for name, chance in zip(BANDS, estimates["bands"].T, strict=True):
        columns[name] = pa.array(chance, mask=invalid)
    width = 100.0 * (estimates["high"] - estimates["low"])
    return columns | {"sufficient": pa.array(width <= counting.interval_width, mask=invalid)}


def why_not_adjusted(error_model: ErrorModel | None, counting: Counting) -> str:
    """Why no patient of a run can be adjusted; "" if that is up to each patient's cells."""
    if error_model is None:
        return _NO_ERROR_MODEL
    fitted = (error_model.profile, error_model.blast_equivalents)
    if fitted != (counting.profile, counting.blast_equivalents):
        return "error model is for profile {}, blast equivalents {}".format(*fitted)
    return ""


def _reasons(
    histogram: npt.NDArray[np.int64], fits: npt.NDArray[np.void], model: ErrorModel
) -> list[str]:
    faults = {
        "no leukocytes": histogram.sum(axis=1) == 0,
        _MISFIT: fits["misfit"] > model.misfit_limit,
        _SHIFTED: fits["shift"] > model.shift_limit,
    }
    reasons: list[str] = np.select([*faults.values()], [*faults], IS_ADJUSTED).tolist()
    return reasons
