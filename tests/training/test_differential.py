"""What kept cells with labels by experts make of calls, and what they must not change."""

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch

from bloodcell.engine.probabilities import calibrated_probabilities
from bloodcell.training.differential import (
    KeptCells,
    called_by_others,
    figures_by_source,
    fit_prior_ratios,
    occurrence_of,
)

LEAN = 0.125
IS_BLAST = np.array([True, False, False, False])
ALIKE = torch.zeros(4)
"""Logarithms of how often the classes occur."""


def drawn(cells: int, bias: float, temperature: float = 1.0) -> KeptCells:
    """Cells of classes 1 and 2, whose logits tell the truth but for ``bias`` against class 2."""
    generator = torch.Generator().manual_seed(0)
    told = torch.randn(cells, generator=generator) * 2
    labels = 1 + (torch.rand(cells, generator=generator) < torch.sigmoid(told)).long()
    logits = torch.zeros(cells, 4)
    logits[:, 2] = told - bias
    logits[:, [0, 3]] = -9.0
    return of_labels(logits * temperature, labels)


def of_labels(logits: torch.Tensor, labels: torch.Tensor) -> KeptCells:
    sets = torch.nn.functional.one_hot(labels, 4).bool()
    return KeptCells(logits, sets, np.full(len(labels), "donors"))


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_a_known_bias_is_undone_and_blasts_have_no_ratio(temperature: float) -> None:
    ratios = fit_prior_ratios(drawn(8000, 2.0, temperature), temperature, ALIKE, IS_BLAST)
    assert ratios[0] == 0
    assert math.log(ratios[2] / ratios[1]) == pytest.approx(2.0, abs=0.15)


def test_in_doubt_the_more_frequent_class_is_called() -> None:
    labels = torch.tensor([1] * 100 + [2] * 100)
    occurrence = occurrence_of(np.array([1] * 9000 + [2] * 1000, np.int64), 4)
    ratios = fit_prior_ratios(of_labels(torch.zeros(200, 4), labels), 1.0, occurrence, IS_BLAST)
    assert math.log(ratios[1] / ratios[2]) == pytest.approx(LEAN * math.log(9), abs=1e-3)


def test_a_class_of_few_cells_is_left_as_it_is() -> None:
    labels = torch.tensor([1] * 19 + [2] * 19)
    few = of_labels(torch.zeros(38, 4), labels)
    assert fit_prior_ratios(few, 1.0, ALIKE, IS_BLAST) == ()
    none = KeptCells(torch.empty(0, 4), torch.empty(0, 4, dtype=torch.bool), np.array([], np.str_))
    assert fit_prior_ratios(none, 1.0, ALIKE, IS_BLAST) == ()
    labels = torch.tensor([1] * 20 + [2] * 19)
    ratios = fit_prior_ratios(of_labels(torch.zeros(39, 4), labels), 1.0, ALIKE, IS_BLAST)
    assert ratios[2] == ratios[3] == 1


def test_cells_labelled_as_blasts_say_nothing() -> None:
    labels = torch.tensor([0] * 50 + [1] * 100 + [2] * 100)
    logits = torch.randn(250, 4, generator=torch.Generator().manual_seed(0))
    with_blasts, without = of_labels(logits, labels), of_labels(logits[50:], labels[50:])
    ratios = fit_prior_ratios(with_blasts, 1.0, ALIKE, IS_BLAST)
    assert ratios == fit_prior_ratios(without, 1.0, ALIKE, IS_BLAST)
    assert all(map(math.isfinite, ratios))


def test_no_cell_has_a_say_in_its_own_call() -> None:
    # A fifth of other labels than all the rest is called as the rest says.
    labels = torch.tensor([1, 2, 2, 2, 2] * 60)
    logits = torch.zeros(300, 4)
    logits[:, 1] = 0.1
    called = called_by_others(of_labels(logits, labels), 1.0, ALIKE, IS_BLAST)
    assert called[0::5].tolist() == [2] * 60


def test_the_blast_probability_stays() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (500, 4)).astype(np.float32)
    ratios = fit_prior_ratios(drawn(500, 2.0), 1.0, ALIKE, IS_BLAST)
    before: npt.NDArray[np.float32] = calibrated_probabilities(logits, 0.8)
    after = calibrated_probabilities(logits, 0.8, ratios)
    assert np.array_equal(before[:, 0], after[:, 0])
    assert not np.array_equal(before[:, 2], after[:, 2])


def test_figures_say_what_every_label_was_called() -> None:
    from bloodcell.scheme import load_scheme

    scheme = load_scheme("jhu18")
    band, blast, segmented = (
        scheme.codes.index(code)
        for code in ("band_neutrophils", "blast_no_lineage_spec", "segmented_neutrophils")
    )
    sets = torch.zeros(5, 18, dtype=torch.bool)
    sets[:2, band] = True
    sets[2:4, segmented] = True
    sets[4, [band, segmented]] = True
    kept = KeptCells(torch.zeros(5, 18), sets, np.full(5, "donors"))
    called = np.array([band, segmented, segmented, blast, band])
    assert figures_by_source(kept, called, scheme) == {
        "donors": {
            "cells": 5,
            "leukocytes": 5,
            "leukocytes_called_blast": 1,
            "class": [
                {
                    "class": "band_neutrophils", "sensitivity": 0.5, "n": 2,
                    "called": {"band_neutrophils": 1, "segmented_neutrophils": 1},
                },
                {
                    "class": "band_neutrophils|segmented_neutrophils", "sensitivity": 1.0, "n": 1,
                    "called": {"band_neutrophils": 1},
                },
                {
                    "class": "segmented_neutrophils", "sensitivity": 0.5, "n": 2,
                    "called": {"blast_no_lineage_spec": 1, "segmented_neutrophils": 1},
                },
            ],
        }
    }  # fmt: skip
