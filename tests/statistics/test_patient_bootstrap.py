"""Intervals over patients, against the same draws made the slow way: cell by cell."""

from pathlib import Path

import numpy as np
import pytest
from helpers.labelled_runs import BLAST, labels, run_of

from bloodcell.evaluation import evaluate
from bloodcell.evaluation.bootstrap import (
    DRAWS,
    PatientCells,
    auroc_interval,
    calibration_interval,
    draw_patients,
)
from bloodcell.metrics import auroc, expected_calibration_error


@pytest.fixture(scope="module")
def cells() -> PatientCells:
    """Sixty cells of five unlike patients; the last has no blasts, and many scores are tied."""
    generator = np.random.default_rng(3)
    patient = np.sort(generator.integers(0, 5, 60))
    positive = (generator.random(60) < 0.15 * (5 - patient)) & (patient < 4)
    probability = np.round(np.clip(0.4 * positive + 0.6 * generator.random(60), 0, 1), 1)
    return PatientCells(patient, probability, positive, 5)


def slowly(cells: PatientCells, draw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probability and label of the drawn patients' cells, one copy a time drawn."""
    chosen = np.concatenate(
        [
            np.tile(np.flatnonzero(cells.patient == patient), int(times))
            for patient, times in enumerate(draw)
        ]
    )
    return cells.probability[chosen], cells.positive[chosen]


def test_draws_are_of_as_many_patients_and_the_same_each_time() -> None:
    times = draw_patients(5)
    assert times.shape == (DRAWS, 5)
    assert set(times.sum(axis=1)) == {5}
    # About a third of the patients is absent from a draw: (4/5)^5 = 0.328.
    assert np.mean(times == 0) == pytest.approx(0.328, abs=0.02)
    assert np.array_equal(times, draw_patients(5))


def test_auroc_interval_is_that_of_the_drawn_cells(cells: PatientCells) -> None:
    times = draw_patients(5)
    areas = np.array([auroc(*slowly(cells, draw)) for draw in times])
    possible = areas[~np.isnan(areas)]
    # Draws of nothing but the patient without blasts are among them.
    assert 0 < len(possible) < DRAWS
    interval = auroc_interval(cells, times)
    assert interval.draws == len(possible)
    low, high = np.percentile(possible, [2.5, 97.5])
    assert [interval.low, interval.high] == pytest.approx([low, high], abs=1e-12)


def test_calibration_interval_is_that_of_the_drawn_cells(cells: PatientCells) -> None:
    times = draw_patients(5)
    errors = [expected_calibration_error(*slowly(cells, draw)) for draw in times]
    interval = calibration_interval(cells, times)
    assert interval.draws == DRAWS
    low, high = np.percentile(errors, [2.5, 97.5])
    assert [interval.low, interval.high] == pytest.approx([low, high], abs=1e-12)


def test_the_unit_is_the_patient_not_the_cell(tmp_path: Path) -> None:
    """Two patients, in one all ranked right and in one all wrong: anything from 0 to 1."""
    cells = [(f"a{i}", "a", BLAST, 0.9 if i % 2 else 0.1) for i in range(100)]
    cells += [(f"b{i}", "b", BLAST, 0.1 if i % 2 else 0.9) for i in range(100)]
    rows = [f"{path},{BLAST if int(path[1:]) % 2 else 'monocyte'}" for path, *_ in cells]
    blast = evaluate(run_of(tmp_path, cells), labels(tmp_path, *rows))["blast"]
    assert (blast["auroc_low"], blast["auroc"], blast["auroc_high"]) == (0.0, 0.5, 1.0)


def test_one_patient_has_no_interval(tmp_path: Path) -> None:
    run = run_of(tmp_path, [("a1", "a", BLAST, 0.9), ("a2", "a", "monocyte", 0.1)])
    blast = evaluate(run, labels(tmp_path, f"a1,{BLAST}", "a2,monocyte"))["blast"]
    assert (blast["auroc"], blast["auroc_low"], blast["auroc_high"]) == (1.0, None, None)
    assert (blast["calibration_error_low"], blast["calibration_error_high"]) == (None, None)
    assert blast["bootstrap"]["auroc_draws_used"] == 0


def test_patients_without_blasts_leave_calibration_its_interval(tmp_path: Path) -> None:
    run = run_of(tmp_path, [("a1", "a", "monocyte", 0.1), ("b1", "b", "monocyte", 0.3)])
    blast = evaluate(run, labels(tmp_path, "a1,monocyte", "b1,monocyte"))["blast"]
    assert (blast["auroc"], blast["auroc_low"]) == (None, None)
    # One patient twice, at either end: 0.1 and 0.3.
    assert blast["calibration_error_low"] == pytest.approx(0.1)
    assert blast["calibration_error_high"] == pytest.approx(0.3)
