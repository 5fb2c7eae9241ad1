"""Pictures: equal bytes for equal content, and what every one of them says."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from bloodcell.errors import DiskError
from bloodcell.plots import BLUE, label_axes, new_figure, save_svg


def drawn() -> Figure:
    figure = new_figure(3, 2)
    axes = figure.subplots()
    label_axes(axes, "A title", "epoch", "loss")
    axes.plot([1, 2, 3], [3, 2, 1], color=BLUE)
    return figure


def test_equal_figures_are_equal_bytes_without_a_date(tmp_path: Path) -> None:
    save_svg(drawn(), tmp_path / "one.svg")
    save_svg(drawn(), tmp_path / "two.svg")
    content = (tmp_path / "one.svg").read_bytes()
    assert content == (tmp_path / "two.svg").read_bytes()
    assert b"<dc:date>" not in content


def test_every_picture_says_what_it_may_be_used_for(tmp_path: Path) -> None:
    save_svg(drawn(), tmp_path / "one.svg")
    text = (tmp_path / "one.svg").read_text()
    # Outlines, with the words beside them as comments.
    for words in ("Research use only", "A title", "epoch", "loss"):
        assert words in text


def test_a_picture_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match=r"cannot write .*absent.*one\.svg"):
        save_svg(drawn(), tmp_path / "absent" / "one.svg")
