"""The quantile of Student's t, against SciPy's."""

import pytest

from bloodcell.student_t import t_quantile


@pytest.mark.parametrize("freedom", [7, 20, 1000])
@pytest.mark.parametrize("share", [0.975, 0.995])
def test_students_quantile(share: float, freedom: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    assert t_quantile(share, freedom) == pytest.approx(stats.t.ppf(share, freedom), abs=1e-3)
