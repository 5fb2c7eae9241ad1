"""The bands of blasts in which findings are read differently: by name, in words, and their bounds.

WHO 2022 (Khoury et al., Leukemia 36:1703) and ICC 2022 (Arber et al., Blood 140:1200).
"""

DECISION_LINES = (5.0, 10.0, 20.0)
"""Percent of blasts at which one band begins and the one before it ends."""

BAND_TEXTS = {
    "band_under_5": "under 5 %",
    "band_5_9": "5 to under 10 %",
    "band_10_19": "10 to under 20 %",
    "band_20_up": "20 % or more",
}
"""In words, by the column that has the chance of each; in ascending order."""

BANDS = tuple(BAND_TEXTS)

_MOST_DIGITS = 15


def share_text(percent: float, digits: int = 1) -> str:
    """A share, with more digits than ``digits`` where fewer would say another band or its bound."""
    for more in range(digits, _MOST_DIGITS):
        text = f"{percent:.{more}f}"
        if _place(float(text)) == _place(percent):
            return text
    return str(percent)


def _place(percent: float) -> list[int]:
    """Below, on or above each line."""
    return [(percent > line) - (percent < line) for line in DECISION_LINES]
