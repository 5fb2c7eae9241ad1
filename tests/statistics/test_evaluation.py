"""Evaluation of runs small enough to check by eye."""

from pathlib import Path

import pytest
from helpers.labelled_runs import BLAST, labels, run_of

from bloodcell.errors import InputError
from bloodcell.evaluation import evaluate
from bloodcell.labels import read_label_map
from bloodcell.run import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Patient a has three scored cells, patient b a smudge and a rejected cell."""
    cells = [
        ("a1", "a", BLAST, 0.9),
        ("a2", "a", "lymphocyte", 0.2),
        ("a3", "a", "lymphocyte", 0.4),
        ("b1", "b", "smudge_cells", 0.0),
        ("b2", "b", None, None),
    ]
    return run_of(tmp_path, cells, adjusted={"a": (60.0, 50.0, 65.0)})


@pytest.fixture
def of_own_scheme(tmp_path: Path) -> Path:
    return labels(
        tmp_path,
        f"a1,{BLAST}",
        f"a2,{BLAST}",
        "a3,lymphocyte",
        "b1,smudge_cells",
        f"b2,{BLAST}",
    )


def test_what_was_compared(run: Run, of_own_scheme: Path) -> None:
    figures = evaluate(run, of_own_scheme)
    assert figures["cells"] == {
        "labelled": 5,
        "rejected": 1,
        "unlabelled": 0,
        "labels_not_in_run": 0,
        "labels_left_out": 0,
    }
    assert (figures["label_scheme"], figures["run_scheme"]) == ("jhu18", "jhu18")
    assert (figures["model"], figures["model_sha256"]) == ("a-model", "0" * 64)


def test_by_class(run: Run, of_own_scheme: Path) -> None:
    figures = evaluate(run, of_own_scheme)
    assert figures["classes"] == [
        {"class": BLAST, "precision": 1.0, "sensitivity": 0.5, "n": 2},
        {"class": "lymphocyte", "precision": 0.5, "sensitivity": 1.0, "n": 1},
        {"class": "smudge_cells", "precision": 1.0, "sensitivity": 1.0, "n": 1},
    ]
    assert figures["accuracy"] == 0.75
    assert figures["balanced_accuracy"] == (0.5 + 1 + 1) / 3
    classes = [BLAST, "lymphocyte", "smudge_cells"]
    assert figures["confusion"] == {
        "labels": classes,
        "called": classes,
        "counts": [[1, 1, 0], [0, 1, 0], [0, 0, 1]],
    }


def test_balanced_accuracy_counts_unrecognised_classes_but_none_without_labels(
    tmp_path: Path,
) -> None:
    calls = {"a1": "monocyte", "a2": "lymphocyte", "a3": "monocyte"}
    run = run_of(tmp_path, [(path, "a", called, 0.1) for path, called in calls.items()])
    figures = evaluate(run, labels(tmp_path, "a1,lymphocyte", "a2,lymphocyte", "a3,basophil"))
    assert figures["classes"] == [
        {"class": "basophil", "precision": None, "sensitivity": 0.0, "n": 1},
        {"class": "lymphocyte", "precision": 1.0, "sensitivity": 0.5, "n": 2},
        {"class": "monocyte", "precision": 0.0, "sensitivity": None, "n": 0},
    ]
    assert figures["balanced_accuracy"] == 0.25


def test_what_an_unidentified_cell_is_worth(tmp_path: Path) -> None:
    """Two of five scored cells are more likely something else; one of them is called rightly."""
    cells = [
        ("a1", "a", BLAST, 0.49),
        ("a2", "a", BLAST, 0.3),
        ("a3", "a", BLAST, 0.5),
        ("a4", "a", BLAST, 0.51),
        ("a5", "a", "lymphocyte", 0.1),
        ("a6", "a", None, None),
    ]
    rows = (
        f"a1,{BLAST}",
        "a2,monocyte",
        f"a3,{BLAST}",
        "a4,monocyte",
        "a5,lymphocyte",
        "a6,monocyte",
    )
    run = run_of(tmp_path, cells)
    assert evaluate(run, labels(tmp_path, *rows))["unidentified"] == {
        "cells": 2,
        "percent": 40.0,
        "called_as_labelled": 0.5,
        "others_called_as_labelled": 2 / 3,
    }
    # By labels that do not name the run's classes it cannot be said; nor of no cells.
    other = evaluate(run, labels(tmp_path, "a1,MYO", "a5,LYT"))["unidentified"]
    assert other == {
        "cells": 1,
        "percent": 50.0,
        "called_as_labelled": None,
        "others_called_as_labelled": None,
    }
    assert evaluate(run, labels(tmp_path, "a6,monocyte"))["unidentified"]["percent"] is None
    only_sure = evaluate(run, labels(tmp_path, "a5,lymphocyte"))["unidentified"]
    assert (only_sure["called_as_labelled"], only_sure["others_called_as_labelled"]) == (None, 1.0)


def test_blast_against_rest(run: Run, of_own_scheme: Path) -> None:
    blast = evaluate(run, of_own_scheme)["blast"]
    assert (blast["cells"], blast["patients"], blast["blasts"]) == (4, 2, 2)
    # Blasts at 0.9 and 0.2, others at 0.4 and 0.0: three of four pairs are in order.
    assert blast["auroc"] == 0.75
    assert [(p["false_positive_rate"], p["sensitivity"]) for p in blast["roc"]] == [
        (0.0, 0.0), (0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (1.0, 1.0),
    ]  # fmt: skip
    assert blast["roc"][0]["threshold"] is None
    assert (blast["threshold"], blast["sensitivity"], blast["specificity"]) == (0.5, 0.5, 1.0)
    filled = {bin_["n"]: bin_ for bin_ in blast["reliability"] if bin_["low"] == 13 / 15}
    assert filled[1]["mean_probability"] == pytest.approx(0.9)
    assert filled[1]["blast_share"] == 1.0
    assert sum(bin_["n"] for bin_ in blast["reliability"]) == 4
    # Distances 0.1, 0.8, 0.4 and 0, each of one cell in four.
    assert blast["calibration_error"] == pytest.approx(1.3 / 4)


def test_false_blasts_of_healthy_donors_by_the_labels_own_scheme(tmp_path: Path) -> None:
    cells = [
        ("a1", "a", BLAST, 0.4),
        ("a2", "a", "monocyte", 0.6),
        ("a3", "a", "monocyte", 0.5),
        ("a4", "a", "lymphocyte", 0.1),
        ("a5", "a", BLAST, 0.9),
    ]
    # A platelet is no leukocyte, whatever it is called.
    rows = ("a1,ig", "a2,monocyte", "a3,monocyte", "a4,lymphocyte", "a5,platelet")
    figures = evaluate(run_of(tmp_path, cells), labels(tmp_path, *rows))
    expected = {"n": 4, "called_blast": 1, "called_blast_percent": 25.0, "reached_percent": 50.0}
    assert figures["label_scheme"] == "pbc8"
    assert figures["blast"]["leukocytes"] == figures["blast"]["leukocytes_not_blast"] == expected
    assert (figures["blast"]["auroc"], figures["blast"]["roc"]) == (None, [])
    assert (figures["blast"]["sensitivity"], figures["blast"]["specificity"]) == (None, 0.4)


def test_by_patient(run: Run, of_own_scheme: Path) -> None:
    figures = evaluate(run, of_own_scheme)
    first, second = figures["patients"]
    assert (first["patient"], first["leukocytes"]) == ("a", 3)
    assert first["true_percent"] == pytest.approx(200 / 3)
    assert first["naive_percent"] == pytest.approx(100 / 3)
    assert first["naive_error_points"] == pytest.approx(100 / 3)
    assert first["adjusted_error_points"] == pytest.approx(20 / 3)
    # 66.7 % lies outside 50 to 65; of patient b no leukocyte was scored.
    assert (first["adjusted_percent"], first["covered"]) == (60.0, False)
    assert {second[name] for name in second if name not in ("patient", "leukocytes")} == {None}


def test_shares_are_counted_as_the_run_counted_them(tmp_path: Path) -> None:
    """In APL promyelocytes are blasts, in marrow erythroblasts are in the denominator."""
    cells = [
        ("a/1", "a", BLAST, 0.9),
        ("a/2", "a", "promyelocyte", 0.8),
        ("a/3", "a", "erythroblast", 0.0),
        ("a/4", "a", "lymphocyte", 0.0),
    ]
    rows = [f"a/1,{BLAST}", "a/2,promyelocyte", "a/3,erythroblast", "a/4,promyelocyte"]
    run = run_of(tmp_path, cells, profile="marrow", blast_equivalents="apl")
    figures = evaluate(run, labels(tmp_path, *rows))["patients"][0]
    assert figures["leukocytes"] == 4
    assert figures["true_percent"] == 75.0  # a blast and two promyelocytes of four cells
    assert figures["naive_percent"] == 50.0


def test_adjusted_is_held_against_naive_over_the_same_patients(tmp_path: Path) -> None:
    cells = [
        ("a1", "a", BLAST, 0.9),
        ("a2", "a", "monocyte", 0.1),
        ("b1", "b", "monocyte", 0.1),
        ("c1", "c", "monocyte", 0.1),
    ]
    # True: 100, 100 and 0 %; naive: 50, 0 and 0 %.
    adjusted = {"a": (90.0, 80.0, 100.0), "c": (5.0, 1.0, 9.0)}
    rows = (f"a1,{BLAST}", f"a2,{BLAST}", f"b1,{BLAST}", "c1,monocyte")
    figures = evaluate(run_of(tmp_path, cells, adjusted), labels(tmp_path, *rows))
    assert figures["totals"] == {
        "patients": 3,
        "naive_error_points": 50.0,
        "naive_error_median_points": 50.0,
        "naive_error_90th_percentile_points": 90.0,
        "adjusted_patients": 2,
        "adjusted_error_points": 7.5,
        "adjusted_error_median_points": 7.5,
        "adjusted_error_90th_percentile_points": pytest.approx(9.5),
        "naive_error_points_of_adjusted": 25.0,
        "intervals": 2,
        "covered": 1,
        "coverage": 0.5,
    }


def test_labels_of_another_scheme_give_no_figures_by_class(run: Run, tmp_path: Path) -> None:
    figures = evaluate(run, labels(tmp_path, "a1,MYO", "a2,MOB", "a3,LYT"))
    assert figures["label_scheme"] == "lmu15"
    assert figures["classes"] == []
    assert figures["accuracy"] is figures["balanced_accuracy"] is None
    assert figures["confusion"] == {
        "labels": ["LYT", "MOB", "MYO"],
        "called": [BLAST, "lymphocyte"],
        "counts": [[0, 1], [0, 1], [1, 0]],
    }
    assert figures["blast"]["blasts"] == 2
    assert figures["cells"]["unlabelled"] == 2


def test_the_naive_share_is_counted_over_the_labelled_cells(run: Run, tmp_path: Path) -> None:
    figures = evaluate(run, labels(tmp_path, f"a1,{BLAST}", "z,lymphocyte"))
    assert figures["cells"]["labels_not_in_run"] == 1
    patient = figures["patients"][0]
    assert (patient["true_percent"], patient["naive_percent"]) == (100.0, 100.0)


def test_only_rejected_cells_have_no_figures(run: Run, tmp_path: Path) -> None:
    figures = evaluate(run, labels(tmp_path, "b2,lymphocyte"))
    assert figures["classes"] == figures["confusion"]["counts"] == []
    assert figures["accuracy"] is None
    assert figures["blast"]["auroc"] is None
    assert figures["blast"]["calibration_error"] is None
    assert figures["totals"]["patients"] == 0


def test_faulty_labels_are_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no path of"):
        evaluate(run, labels(tmp_path, "z,lymphocyte"))
    with pytest.raises(InputError, match=r"lacks \['unheard_of'\]"):
        evaluate(run, labels(tmp_path, "a1,unheard_of"))
    with pytest.raises(InputError, match="more than once"):
        evaluate(run, labels(tmp_path, "a1,lymphocyte", "a1,monocyte"))
    with pytest.raises(InputError, match="cannot read labels"):
        evaluate(run, tmp_path / "absent.csv")
    (tmp_path / "l.csv").write_text("file,class\n")
    with pytest.raises(InputError, match=r"lacks the columns \['path'\]"):
        evaluate(run, tmp_path / "l.csv")
    (tmp_path / "l.csv").write_text("path,class\n")
    with pytest.raises(InputError, match="holds no labels"):
        evaluate(run, tmp_path / "l.csv")
    (tmp_path / "l.csv").write_text("path,class\na1\n")
    with pytest.raises(InputError, match="row 2"):
        evaluate(run, tmp_path / "l.csv")


def test_labels_the_model_has_no_class_for_are_mapped_or_left_out(run: Run, tmp_path: Path) -> None:
    own = labels(tmp_path, f"a1,{BLAST}", "a2,LY", "a3,unsure", "b1,smudge_cells")
    (tmp_path / "map.csv").write_text("label,class\nLY,lymphocyte\nsmudge_cells,\n")
    label_map = read_label_map(tmp_path / "map.csv", ignored=["unsure"])
    figures = evaluate(run, own, label_map)
    assert [(row["class"], row["n"]) for row in figures["classes"]] == [
        (BLAST, 1), ("lymphocyte", 1)
    ]  # fmt: skip
    assert figures["cells"] == {
        "labelled": 2, "rejected": 0, "unlabelled": 3, "labels_not_in_run": 0, "labels_left_out": 2
    }  # fmt: skip
    with pytest.raises(InputError, match=r"the run's own lacks \['LY', 'unsure'\]: --label-map"):
        evaluate(run, own)
    with pytest.raises(InputError, match="are left out"):
        evaluate(run, own, read_label_map(None, ["LY", "unsure", BLAST, "smudge_cells"]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("label,class\na,b\na,c\n", "names a label more than once"),
        ("label\na\n", r"lacks the columns \['class'\]"),
        (None, "cannot read the label map"),
    ],
)
def test_a_label_map_at_fault_is_refused(tmp_path: Path, content: str | None, message: str) -> None:
    if content:
        (tmp_path / "map.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        read_label_map(tmp_path / "map.csv")
