"""Slopes and intervals of known series, against statsmodels and SciPy."""

import numpy as np
import pytest

from bloodcell.bench.statistics import log_log_slope, spread, student_975, trend


def test_spread() -> None:
    assert spread([3.0, 1.0, 2.0, 9.0]) == {"median": 2.5, "least": 1.0, "most": 9.0, "repeats": 4}


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_the_slope_on_log_axes_is_the_power(power: float) -> None:
    x = [10.0, 100.0, 1000.0]
    assert log_log_slope(x, [7 * value**power for value in x]) == pytest.approx(power, abs=1e-12)


@pytest.mark.parametrize("count", [10, 60, 300])
def test_the_trend_is_that_of_statsmodels(count: int) -> None:
    statsmodels = pytest.importorskip("statsmodels.api")
    stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(count)
    noise = np.convolve(random.standard_normal(count + 4), np.ones(5), "valid")
    x = np.sort(random.uniform(0, 2, count))
    y = 3 + 0.5 * x + noise
    lags = int(4 * (count / 100) ** (2 / 9))
    fit = statsmodels.OLS(y, statsmodels.add_constant(x)).fit(
        cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": True}
    )
    half = float(stats.t.ppf(0.975, count - 2) * fit.bse[1])
    found = trend(x.tolist(), y.tolist())
    assert found.slope == pytest.approx(fit.params[1])
    assert found.high - found.slope == pytest.approx(half, rel=1e-3)
    assert found.slope - found.low == pytest.approx(half, rel=1e-3)


@pytest.mark.parametrize("freedom", [8, 20, 1000])
def test_students_quantile(freedom: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    assert student_975(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), abs=1e-3)


def test_an_exact_line_has_an_interval_of_no_width() -> None:
    found = trend([0.0, 1.0, 2.0, 3.0], [1.0, 3.0, 5.0, 7.0])
    assert (found.slope, found.low, found.high) == pytest.approx((2, 2, 2))
