"""Pictures in the house style, written so that equal content gives equal bytes.

matplotlib is loaded inside the functions: nothing that draws nothing waits for it. pyplot and its
global state are not used.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bloodcell.files import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#6e6e78"
"""Told apart by colour-blind readers too (Okabe and Ito 2008), and GREY for what only guides."""

_FOOTNOTE = "bloodcell. Research use only: never a diagnosis."


def new_figure(width_in: float, height_in: float) -> Figure:
    """An empty figure of that size in inches, with the line that says what it may be used for."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    figure.supxlabel(_FOOTNOTE, x=0.99, ha="right", fontsize=7, color=GREY)
    return figure


def label_axes(axes: Axes, title: str, x_label: str, y_label: str) -> None:
    """Put axes (``figure.subplots()``) in the house style; labels are whole words with units."""
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(color="#e6e6ec", linewidth=0.6)


def save_svg(figure: Figure, path: Path) -> None:
    """Write ``figure`` to ``path``, whole or not at all; DiskError if it cannot be written.

    The file holds no date and no random name, and its letters are drawn as outlines: the bytes are
    a function of the figure and the matplotlib version, the looks the same with any fonts.
    """
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "bloodcell", "svg.fonttype": "path"}):
        write_whole(
            path, lambda beside: figure.savefig(beside, format="svg", metadata={"Date": None})
        )
