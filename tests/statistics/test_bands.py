"""Shares in words: none is printed on the other side of a decision line."""

import pytest

from bloodcell.bands import share_text


@pytest.mark.parametrize(
    ("percent", "text"),
    [
        (100 * 80 / 401, "19.95"),
        (19.99, "19.99"),
        (20.0, "20.0"),
        (20.02, "20.02"),
        (4.96, "4.96"),
        (9.999999, "9.999999"),
        (12.34, "12.3"),
        (0.0, "0.0"),
        (100.0, "100.0"),
    ],
)
def test_a_share_has_as_many_digits_as_its_band_takes(percent: float, text: str) -> None:
    assert share_text(percent) == text
    assert (float(share_text(percent)) < 20) == (percent < 20)
