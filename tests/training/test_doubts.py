"""Doubts of labels: wrong ones are found, by other patients' cells alone."""

import numpy as np
import pytest
import torch
from helpers.lessons import cells_of

from bloodcell.errors import InputError
from bloodcell.label_doubts import label_doubts
from bloodcell.training.doubts import Evidence, doubts_of

CENTRES = torch.tensor([[4.0, 0, 0], [0, 4.0, 0], [0, 0, 4.0]])


def drawn(wrong_in: str | None) -> tuple[Evidence, torch.Tensor]:
    """Ten patients of 30 cells, of three kinds; of one patient a third are labelled wrong."""
    generator = torch.Generator().manual_seed(1)
    kinds = torch.arange(300) % 3
    patients = [f"p{n}" for n in range(10) for _ in range(30)]
    labels = kinds.clone()
    wrong = torch.tensor([name == wrong_in for name in patients]) & (kinds == 0)
    labels[wrong] = 1
    features = [
        (CENTRES[kinds] + torch.randn(300, 3, generator=generator)).half() for _ in range(2)
    ]
    cells = cells_of(labels.tolist(), classes=3, patients=patients)
    return Evidence(cells, torch.arange(300), features, blast_index=0), wrong


def test_wrong_labels_of_a_patient_are_doubted_although_all_its_like_cells_share_them() -> None:
    evidence, wrong = drawn("p3")
    doubts = doubts_of(evidence, torch.arange(300))
    # Not all of them: a classifier has to be as sure as it is on average, twice.
    assert doubts.is_doubted[wrong].mean() >= 0.6
    assert doubts.is_doubted[~wrong].mean() < 0.05
    assert doubts.doubt[wrong].min() > 0.5
    assert np.median(doubts.doubt[~wrong]) == 0
    assert (doubts.likeliest[wrong] == 0).all()


def test_doubts_know_no_cell_that_was_not_given() -> None:
    evidence, _ = drawn("p3")
    rows = torch.arange(150)  # five patients
    features = [one.clone() for one in evidence.features]
    before = doubts_of(evidence, rows)
    for one in features:
        one[150:] = 99.0
    evidence.cells.labels[150:] = 0
    after = doubts_of(Evidence(evidence.cells, evidence.rows, features, 0), rows)
    assert np.array_equal(before.doubt, after.doubt)


def test_a_single_patient_has_nobody_to_be_held_against() -> None:
    evidence, _ = drawn("p3")
    with pytest.raises(InputError, match="doubts need 2 patients"):
        doubts_of(evidence, torch.arange(30))


def test_a_label_is_doubted_by_all_classifiers_or_not_at_all() -> None:
    evidence, wrong = drawn("p3")
    blind = torch.zeros_like(evidence.features[0])
    doubts = doubts_of(
        Evidence(evidence.cells, evidence.rows, [evidence.features[0], blind], 0),
        torch.arange(300),
    )
    alone = doubts_of(
        Evidence(evidence.cells, evidence.rows, [evidence.features[0]], 0), torch.arange(300)
    )
    assert alone.is_doubted[wrong].mean() >= 0.8
    assert not (doubts.is_doubted & ~alone.is_doubted).any()


def test_a_probability_counts_by_what_is_usual_for_the_class() -> None:
    # The classifier is never sure of class 1, so 0.4 is much for it.
    p = np.array([[0.9, 0.1], [0.6, 0.4], [0.6, 0.4], [0.8, 0.2], [0.95, 0.05]])
    labels = np.array([0, 0, 1, 1, 1])
    doubts = label_doubts(p, np.eye(2, dtype=bool)[labels])
    # Thresholds are 0.75 and 0.65 / 3.
    assert doubts.is_doubted.tolist() == [False, False, False, True, True]
    usual = 0.65 / 3
    expected = [0, 0, 0, 1 - 0.2 / usual, 1 - 0.05 / usual]
    assert doubts.doubt.tolist() == pytest.approx(expected)


def test_a_label_whose_class_never_has_any_probability_is_wholly_doubted() -> None:
    p = np.array([[0.9, 0.1, 0.0], [0.8, 0.2, 0.0], [0.4, 0.6, 0.0]])
    doubts = label_doubts(p, np.eye(3, dtype=bool)[[0, 0, 2]])
    assert doubts.doubt.tolist() == [0, pytest.approx(1 - 0.8 / 0.8), 1]
    assert doubts.is_doubted.tolist() == [False, False, False]


def test_a_class_of_a_single_unlikely_cell_makes_no_other_label_doubtful() -> None:
    p = np.array([[0.7, 0.28, 0.02], [0.8, 0.19, 0.01], [0.3, 0.695, 0.005]])
    labels = np.array([0, 0, 2])
    doubts = label_doubts(p, np.eye(3, dtype=bool)[labels])
    assert doubts.is_doubted.tolist() == [False, False, False]
    assert doubts.doubt.tolist() == [0, 0, 0]
