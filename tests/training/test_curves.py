"""The picture of a training: a line for each network, none for its teachers."""

from bloodcell.training.curves import draw_curves


def test_teachers_are_not_drawn() -> None:
    parts = ["fold-0 teacher vit_s", "fold-0", "all teacher vit_s", "all"]
    history = [
        {"part": part, "epoch": epoch, "training_loss": place + 0.1 * epoch}
        for place, part in enumerate(parts)
        for epoch in (1, 2)
    ]
    losses = draw_curves(history, "model").axes[0]
    assert [list(line.get_ydata()) for line in losses.get_lines() if len(line.get_ydata())] == [
        [1.1, 1.2],
        [3.1, 3.2],
    ]
