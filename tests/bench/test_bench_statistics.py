"""Slopes and intervals of known series, against statsmodels and SciPy."""

import numpy as np
import pytest

from bloodcell.bench import statistics
from bloodcell.bench.statistics import log_log_slope, spread, trend


def test_spread() -> None:
    assert spread([3.0, 1.0, 2.0, 9.0]) == {"median": 2.5, "least": 1.0, "most": 9.0, "repeats": 4}


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_the_slope_on_log_axes_is_the_power(power: float) -> None:
    x = [10.0, 100.0, 1000.0]
    assert log_log_slope(x, [7 * value**power for value in x]) == pytest.approx(power, abs=1e-12)


@pytest.mark.parametrize("count", [10, 60, 300])
def test_the_trend_is_that_of_statsmodels(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
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
    monkeypatch.setattr(statistics, "_lags", lambda _: lags)
    half = float(stats.t.ppf(0.975, min(count - 2, 3 * count // lags)) * fit.bse[1])
    ours = trend(x.tolist(), y.tolist())
    assert ours.slope == pytest.approx(fit.params[1])
    assert ours.high - ours.slope == pytest.approx(half, rel=1e-3)
    assert ours.slope - ours.low == pytest.approx(half, rel=1e-3)


def test_lags_are_those_of_andrews_for_an_autoregression() -> None:
    series = np.ones(1000)
    noise = np.random.default_rng(0).standard_normal(1000)
    for now in range(1, 1000):
        series[now] = 0.8 * series[now - 1] + noise[now]
    # 1.1447 (4 * 0.8^2 / (1 - 0.8^2)^2 * 1000)^(1/3) = 31
    assert abs(statistics._lags(series) - 31) <= 5
    assert statistics._lags(noise) <= 3
    assert statistics._lags(np.zeros(10)) == 0


@pytest.mark.parametrize("phase", np.arange(0, 2 * np.pi, 0.5).tolist())
def test_a_slow_wave_is_no_trend_and_a_trend_below_it_is_found(phase: float) -> None:
    x = np.arange(120.0)
    noise = 0.1 * np.random.default_rng(1).standard_normal(120)
    wave = np.sin(2 * np.pi * x / 40 + phase) + noise
    level, rising = trend(x.tolist(), wave.tolist()), trend(x.tolist(), (wave + x / 10).tolist())
    assert level.low < 0 < level.high
    assert 0 < rising.low < 0.1 < rising.high


def test_an_exact_line_has_an_interval_of_no_width() -> None:
    line = trend([0.0, 1.0, 2.0, 3.0], [1.0, 3.0, 5.0, 7.0])
    assert (line.slope, line.low, line.high) == pytest.approx((2, 2, 2))
