"""What counts after several readings, and kappa as statsmodels has it."""

import numpy as np
import pytest

from bloodcell.review.agreement import agreements, cohens_kappa, settled_class


@pytest.mark.parametrize(
    ("votes", "counts"),
    [
        ({"A": "blast"}, "blast"),
        ({"A": "blast", "B": "blast"}, "blast"),
        ({"A": "blast", "B": "monocyte"}, None),
        ({"A": "blast", "B": "monocyte", "C": "monocyte"}, "monocyte"),
        ({"A": "blast", "B": "monocyte", "C": "basophil"}, None),
        ({"A": "blast", "B": "monocyte", "C": "blast", "D": "monocyte"}, None),
    ],
)
def test_of_two_who_differ_a_third_settles_it(votes: dict[str, str], counts: str | None) -> None:
    assert settled_class(votes) == counts


def test_kappa_is_that_of_statsmodels() -> None:
    inter_rater = pytest.importorskip("statsmodels.stats.inter_rater")
    rng = np.random.default_rng(3)
    first = rng.integers(0, 4, 200)
    second = np.where(rng.random(200) < 0.6, first, rng.integers(0, 4, 200))
    table = np.histogram2d(first, second, bins=4)[0]
    expected = inter_rater.cohens_kappa(table, return_results=False)
    assert cohens_kappa(zip(first.tolist(), second.tolist(), strict=True)) == pytest.approx(
        expected
    )


def test_kappa_is_none_where_chance_alone_would_always_agree() -> None:
    assert cohens_kappa([("a", "a"), ("a", "a")]) is None


def test_each_two_reviewers_are_compared_on_the_cells_that_both_looked_at() -> None:
    cells = [{"A": "x", "B": "x"}, {"A": "y", "B": "x"}, {"A": "y"}, {"B": "y", "C": "y"}]
    both, other = agreements(cells)
    assert both["reviewers"] == ["A", "B"]
    assert (both["cells"], both["agreed"], both["kappa"]) == (2, 1, 0.0)
    assert both["kappa_by_class"].keys() == {"x", "y"}
    assert (other["reviewers"], other["cells"], other["kappa"]) == (["B", "C"], 1, None)
