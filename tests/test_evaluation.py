"""Evaluation of a run small enough to check by eye."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bloodcell.errors import InputError
from bloodcell.evaluation import evaluate
from bloodcell.metrics import auroc, expected_calibration_error
from bloodcell.run import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Patient a has three scored cells, patient b a smudge and a rejected cell."""
    (tmp_path / "cells").mkdir()
    cells = {
        "path": ["a1", "a2", "a3", "b1", "b2"],
        "patient": ["a", "a", "a", "b", "b"],
        "class": ["blast_no_lineage_spec", "lymphocyte", "lymphocyte", "smudge_cells", None],
        "blast_probability": pa.array([0.9, 0.2, 0.4, 0.0, None], pa.float32()),
    }
    pq.write_table(pa.table(cells), tmp_path / "cells" / "part-00000.parquet")
    patients = {
        "patient": ["a", "b"],
        "blast_percent": [60.0, None],
        "blast_percent_low": [50.0, None],
        "blast_percent_high": [65.0, None],
    }
    pq.write_table(pa.table(patients), tmp_path / "patients.parquet")
    return Run(tmp_path, {"scheme": "jhu18", "cells": 5})


def labels(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(["path,class", *rows]) + "\n")
    return path


def test_by_class_blast_and_patient(run: Run, tmp_path: Path) -> None:
    blast = "blast_no_lineage_spec"
    found = evaluate(
        run,
        labels(
            tmp_path,
            f"a1,{blast}",
            f"a2,{blast}",
            "a3,lymphocyte",
            "b1,smudge_cells",
            f"b2,{blast}",
        ),
    )
    assert found["cells"] == {"labelled": 5, "rejected": 1, "unlabelled": 0, "labels_not_in_run": 0}
    by_class = {row["class"]: row for row in found["classes"]}
    assert by_class[blast] == {"class": blast, "precision": 1.0, "sensitivity": 0.5, "n": 2}
    assert by_class["lymphocyte"]["precision"] == 0.5
    assert found["accuracy"] == 0.75
    # Blasts at 0.9 and 0.2, others at 0.4 and 0.0: three of four pairs are in order.
    assert found["blast"]["auroc"] == 0.75
    first, second = found["patients"]
    assert first["true"] == pytest.approx(200 / 3)
    assert first["error"] == pytest.approx(100 / 3)
    # 66.7 % lies outside 50 to 65; of patient b no leukocyte was scored.
    assert (first["adjusted"], first["covered"], found["coverage"]) == (60.0, False, 0.0)
    assert (second["true"], second["naive"], second["error"]) == (None, None, None)
    assert found["naive_error"] == pytest.approx(100 / 3)


def test_labels_of_another_scheme_give_the_blast_figures_alone(run: Run, tmp_path: Path) -> None:
    found = evaluate(run, labels(tmp_path, "a1,MYO", "a2,MOB", "a3,LYT"))
    assert found["label_scheme"] == "lmu15"
    assert found["classes"] == []
    assert found["blast"]["n"] == 2
    assert found["cells"]["unlabelled"] == 2


def test_the_naive_share_is_counted_over_the_labelled_cells(run: Run, tmp_path: Path) -> None:
    found = evaluate(run, labels(tmp_path, "a1,blast_no_lineage_spec", "z,lymphocyte"))
    assert found["cells"]["labels_not_in_run"] == 1
    assert (found["patients"][0]["true"], found["patients"][0]["naive"]) == (100.0, 100.0)


def test_only_rejected_cells_have_no_accuracy(run: Run, tmp_path: Path) -> None:
    found = evaluate(run, labels(tmp_path, "b2,lymphocyte"))
    assert found["accuracy"] is None
    assert found["blast"]["auroc"] is None


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
    with pytest.raises(InputError, match="line 2"):
        evaluate(run, tmp_path / "l.csv")


def test_auroc_counts_pairs_in_order_and_ties_half() -> None:
    scores = np.array([0.1, 0.4, 0.4, 0.8])
    positive = np.array([False, False, True, True])
    pairs = [(p, n) for p in scores[positive] for n in scores[~positive]]
    by_hand = np.mean([1.0 if p > n else 0.5 if p == n else 0.0 for p, n in pairs])
    assert auroc(scores, positive) == by_hand == 0.875
    assert np.isnan(auroc(scores, np.zeros(4, bool)))


def test_calibration_error_of_a_coin_called_nine_tenths() -> None:
    probability = np.full(100, 0.9)
    positive = np.arange(100) < 50
    assert expected_calibration_error(probability, positive) == pytest.approx(0.4)
