"""What series of figures come to: spread, limits, slopes and trends. NumPy only."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bloodcell.student_t import t_quantile


def spread(values: Sequence[float]) -> dict[str, float | int]:
    """Median, least and most, and of how many."""
    return {
        "median": float(np.median(values)),
        "least": min(values),
        "most": max(values),
        "repeats": len(values),
    }


def rounded_spread(values: Sequence[float], digits: int) -> dict[str, float | int]:
    """The same to so many digits behind the point."""
    return {name: round(value, digits) for name, value in spread(values).items()}


def log_log_slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Least-squares slope of log y against log x: 1 where y is proportional to x, 0 where flat."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


@dataclass(frozen=True)
class Trend:
    """A slope with its 95 % interval, in units of y for one unit of x."""

    slope: float
    low: float
    high: float


def trend(x: Sequence[float], y: Sequence[float]) -> Trend:
    """Least-squares slope; its error allows for samples that resemble the ones before them.

    The error is Newey and West's (1987, doi:10.2307/1913610) with the factor n / (n - 2). It looks
    back as many samples as Andrews (1991, doi:10.2307/2938229) has it for what wanders as these
    do, so that a slow wave is not taken for a trend. The interval takes Student's quantile of the
    degrees that so few independent stretches leave, 3 n / lags (Priestley 1981, Spectral Analysis
    and Time Series, table 6.2), at most n - 2. Needs 3 samples.
    """
    design = np.column_stack([np.ones(len(x)), np.asarray(x, float)])
    values = np.asarray(y, float)
    fitted, *_ = np.linalg.lstsq(design, values)
    scores = design * (values - design @ fitted)[:, None]
    bread = np.linalg.inv(design.T @ design)
    count, lags = len(values), _lags((scores @ bread)[:, 1])
    variance = (bread @ _long_run(scores, lags) @ bread)[1, 1] * count / (count - 2)
    freedom = min(count - 2, 3 * count // max(lags, 1))
    half = t_quantile(0.975, freedom) * float(np.sqrt(max(variance, 0.0)))
    slope = float(fitted[1])
    return Trend(slope, slope - half, slope + half)


def _lags(scores: npt.NDArray[np.float64]) -> int:
    """Andrews' automatic bandwidth for Bartlett's kernel, by a first-order autoregression."""
    before, after = scores[:-1], scores[1:]
    power = float(before @ before)
    resemblance = min(max(float(before @ after) / power, 0.0), 0.97) if power > 0 else 0.0
    strength = 4 * resemblance**2 / (1 - resemblance**2) ** 2
    return min(int(1.1447 * (strength * len(scores)) ** (1 / 3)), len(scores) // 2)


def _long_run(scores: npt.NDArray[np.float64], lags: int) -> npt.NDArray[np.float64]:
    """Sum of the scores' products with themselves and, weighted, with those ``lags`` before."""
    total: npt.NDArray[np.float64] = scores.T @ scores
    for lag in range(1, lags + 1):
        product = scores[lag:].T @ scores[:-lag]
        total = total + (1 - lag / (lags + 1)) * (product + product.T)
    return total
