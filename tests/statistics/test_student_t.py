"""The quantile of Student's t, against SciPy's."""

import pytest

from bloodcell.student_t import t_quantile


@pytest.mark.parametrize("freedom", [8, 20, 1000])
def test_students_quantile(freedom: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    assert t_quantile(0.975, freedom) == pytest.approx(stats.t.ppf(0.975, freedom), abs=1e-3)
