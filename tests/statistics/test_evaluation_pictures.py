"""The folder that an evaluation writes: its figures and pictures."""

import json
from pathlib import Path

import pytest
from helpers.labelled_runs import BLAST, labels, run_of

from bloodcell.errors import DiskError
from bloodcell.evaluation import evaluate, write_evaluation
from bloodcell.evaluation.pictures import draw_confusion, draw_reliability, draw_roc, draw_shares
from bloodcell.run import Run

NAMES = ["confusion.svg", "evaluation.json", "reliability.svg", "roc.svg", "shares.svg"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    cells = [
        ("a1", "a", BLAST, 0.9),
        ("a2", "a", "lymphocyte", 0.2),
        ("b1", "b", "monocyte", 0.3),
        ("b2", "b", "monocyte", 0.1),
    ]
    return run_of(tmp_path, cells, adjusted={"a": (60.0, 40.0, 90.0)})


@pytest.fixture
def both_kinds(tmp_path: Path) -> Path:
    return labels(tmp_path, f"a1,{BLAST}", "a2,lymphocyte", f"b1,{BLAST}", "b2,monocyte")


def test_the_folder_is_whole_and_its_json_is_what_was_found(run: Run, both_kinds: Path) -> None:
    figures = evaluate(run, both_kinds)
    folder = write_evaluation(run, figures)
    assert folder == run.folder / "evaluation"
    assert sorted(path.name for path in folder.iterdir()) == NAMES
    assert json.loads((folder / "evaluation.json").read_text()) == figures


def test_a_second_evaluation_writes_the_same_bytes(run: Run, both_kinds: Path) -> None:
    written = []
    for _ in range(2):
        folder = write_evaluation(run, evaluate(run, both_kinds))
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert written[0] == written[1]


def test_pictures_say_what_they_show_and_hold_no_bitmap(run: Run, both_kinds: Path) -> None:
    folder = write_evaluation(run, evaluate(run, both_kinds))
    words = {
        "roc.svg": ("AUROC 1.000", "4 cells of 2 patients, 2 blasts", "false-positive rate"),
        "reliability.svg": ("calibration error", "cells a bin", "blast probability"),
        # Errors over patient a alone, the one with an adjusted share.
        "shares.svg": (
            "naive off by 0.0 points, adjusted by 10.0 points",
            "1 of 1 intervals hold the true share",
            "4 leukocytes of 2 patients",
            "(% of leukocytes",
        ),
        "confusion.svg": ("accuracy 0.750, balanced 0.833", "labelled class", "called class"),
    }
    for name, expected in words.items():
        text = (folder / name).read_text()
        for part in (*expected, "Research use only", "a-model"):
            assert part in text, (name, part)
        assert "<image" not in text


def test_points_and_intervals_are_where_the_figures_are(run: Run, both_kinds: Path) -> None:
    figures = evaluate(run, both_kinds)
    shares = draw_shares(figures)
    assert shares is not None
    axes = shares.axes[0]
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert lines["no error"] == [[0, 0], [100, 100]]
    assert lines["naive"] == [[50, 50], [50, 0]]
    assert lines["adjusted, 95 % interval"] == [[50, 60]]
    (interval,) = axes.collections[0].get_segments()
    assert interval.tolist() == [[50, 40], [50, 90]]

    roc = draw_roc(figures)
    assert roc is not None
    curves = {line.get_label(): line.get_xydata().tolist() for line in roc.axes[0].lines}
    assert curves["a-model"] == [[0, 0], [0, 1], [1, 1]]
    assert curves["called at probability 0.5 and more"] == [[0, 0.5]]

    reliability = draw_reliability(figures)
    assert reliability is not None
    assert [bar.get_height() for bar in reliability.axes[1].patches] == [1, 1, 1, 1]

    confusion = draw_confusion(figures)
    assert confusion is not None
    assert [text.get_text() for text in confusion.axes[0].texts] == ["1", "1", "1", "1"]


def test_a_picture_that_cannot_be_drawn_now_is_not_left_over(
    run: Run, both_kinds: Path, tmp_path: Path
) -> None:
    folder = write_evaluation(run, evaluate(run, both_kinds))
    no_blasts = labels(tmp_path, "b2,monocyte")
    write_evaluation(run, evaluate(run, no_blasts))
    assert sorted(path.name for path in folder.iterdir()) == [n for n in NAMES if n != "roc.svg"]


def test_a_run_of_rejected_cells_has_figures_and_no_picture(tmp_path: Path) -> None:
    run = run_of(tmp_path, [("a1", "a", None, None)])
    folder = write_evaluation(run, evaluate(run, labels(tmp_path, "a1,monocyte")))
    assert [path.name for path in folder.iterdir()] == ["evaluation.json"]


def test_a_folder_that_cannot_be_made_is_named(run: Run, both_kinds: Path) -> None:
    (run.folder / "evaluation").write_text("in the way")
    with pytest.raises(DiskError, match=r"cannot write .*evaluation"):
        write_evaluation(run, evaluate(run, both_kinds))
