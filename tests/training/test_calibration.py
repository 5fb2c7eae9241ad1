"""Calibration of held-out cells: what it undoes, who has a say, and what ranks cells."""

import numpy as np
import pytest
import torch

from bloodcell.metrics import auroc
from bloodcell.scheme import load_scheme
from bloodcell.training.validation import (
    HeldOut,
    all_fitted,
    blasts_fitted,
    calibrated_by_others,
    fit_calibration,
    held_out_cells,
    held_out_figures,
)


def test_calibration_undoes_a_known_sharpening_and_a_known_prior() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6000, 3, generator=generator) * 2
    labels = torch.multinomial(torch.softmax(logits, 1), 1, generator=generator).squeeze(1)
    patients = np.array(["a", "b", "c", "d"])[torch.arange(6000) % 4]
    sharpened = (logits + torch.tensor([1.0, 0.0, -1.0])) * 3
    fitted = fit_calibration(HeldOut(sharpened, labels, patients, torch.ones(6000), all_fitted(3)))
    assert fitted.temperature == pytest.approx(3, rel=0.1)
    # Only differences between classes count.
    assert (fitted.offsets - fitted.offsets[1]).tolist() == pytest.approx([-3, 0, 3], abs=0.3)


def test_the_blasts_are_calibrated_and_no_rare_class_is_silenced() -> None:
    # Blasts, a class nine times as frequent as the last one, and that; logits tell nothing more.
    share = torch.tensor([0.5, 0.45, 0.05])
    labels = torch.multinomial(share, 6000, True, generator=torch.Generator().manual_seed(0))
    patients = np.array(["a", "b", "c", "d"])[torch.arange(6000) % 4]
    offsets = blasts_fitted(share.log(), np.array([True, False, False]))
    half_as_many_blasts = share.log() - torch.tensor([0.7, 0.0, 0.0])
    logits = half_as_many_blasts.expand(6000, 3)
    fitted = fit_calibration(HeldOut(logits, labels, patients, torch.ones(6000), offsets))
    told = torch.softmax((logits[0] + fitted.offsets) / fitted.temperature, 0)
    assert told[0] == pytest.approx(0.5, abs=0.02)
    # The square root of nine, by whatever temperature.
    assert (told[1] / told[2]).log() * fitted.temperature == pytest.approx(np.log(3), abs=1e-3)


def test_every_patient_weighs_alike_in_calibration() -> None:
    # One patient of 1,000 cells is all of class 0, four of 10 cells all of class 1; no logit tells.
    labels = torch.tensor([0] * 1000 + [1] * 40)
    patients = np.array(["big"] * 1000 + ["a", "b", "c", "d"] * 10)
    fitted = fit_calibration(
        HeldOut(torch.zeros(1040, 2), labels, patients, torch.ones(1040), all_fitted(2))
    )
    share = torch.softmax(fitted.offsets / fitted.temperature, 0)[1].item()
    assert share == pytest.approx(0.8, abs=0.02)


def test_a_patient_has_no_say_in_its_own_calibration() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    patients = np.array(["a", "a", "b", "b"])
    cells = HeldOut(torch.zeros(4, 2), labels, patients, torch.ones(4), all_fitted(2))
    by_others = calibrated_by_others(cells, ())
    assert (by_others[:2, 1] > 0.9).all()  # by patient b, of class 1 alone
    assert (by_others[2:, 0] > 0.9).all()
    assert (calibrated_by_others(cells.where(patients == "a"), ())[:, 0] > 0.9).all()


def test_of_few_patients_the_ranking_of_cells_is_by_one_calibration() -> None:
    # Four patients of other shares of blasts; what tells blasts within each is the same.
    generator = torch.Generator().manual_seed(0)
    share = torch.tensor([0.05, 0.1, 0.9, 0.95]).repeat_interleave(200)
    is_blast = torch.rand(800, generator=generator) < share
    logits = torch.randn(800, 18, generator=generator) * 0.1
    scheme = load_scheme("jhu18")
    blast, other = int(np.flatnonzero(scheme.is_blast)[0]), int(np.flatnonzero(~scheme.is_blast)[0])
    logits[is_blast, blast] += 0.04
    labels = torch.where(is_blast, blast, other)
    patients = np.repeat(["a", "b", "c", "d"], 200)
    known = HeldOut(
        logits, labels, patients, torch.ones(800),
        blasts_fitted(torch.zeros(18), scheme.is_blast),
    )  # fmt: skip
    cells = held_out_cells(known, scheme, fit_calibration(known))
    probability = torch.softmax(logits, 1)[:, torch.from_numpy(scheme.is_blast)].sum(1)
    expected = auroc(probability.double().numpy(), is_blast.numpy())
    by_others = auroc(cells.blast_probability, is_blast.numpy())
    assert by_others < 0.45 < 0.55 < expected
    assert held_out_figures(cells)["blast_auroc"] == pytest.approx(expected, abs=0.03)


def test_labels_that_are_not_trusted_do_not_calibrate() -> None:
    labels, patients = torch.tensor([0] * 30 + [1] * 30), np.array(["a", "b"] * 30)
    trust = torch.tensor([1.0] * 30 + [0.1] * 30)
    fitted = fit_calibration(HeldOut(torch.zeros(60, 2), labels, patients, trust, all_fitted(2)))
    share = torch.softmax(fitted.offsets / fitted.temperature, 0)[1].item()
    assert share == pytest.approx(0.1 / 1.1, abs=0.02)
