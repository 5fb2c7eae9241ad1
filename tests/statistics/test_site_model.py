"""A site's error model: drawn towards the model's own, the more the fewer patients it has."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.drawn_patients import error_model, labelled

from bloodcell import site_model
from bloodcell._core import SHARE_ESTIMATE
from bloodcell.error_model import (
    ErrorModel,
    LabelledHistograms,
    SiteTrial,
    drawn_towards,
    site_recalibration,
    weight_of_site,
)
from bloodcell.errors import InputError
from bloodcell.review.labels import SignedLabels


def site_of(patients: int) -> ErrorModel:
    return replace(
        error_model(), patients=patients, blast_scale=2.0, other_scale=0.1, worth_cells=900.0,
        blast_shape=tuple(np.eye(56)[30]),
    )  # fmt: skip


def test_sixteen_patients_weigh_half_and_forty_five_sevenths() -> None:
    assert weight_of_site(16) == 0.5
    assert weight_of_site(40) == pytest.approx(5 / 7)
    start = replace(error_model(), blast_scale=1.0, worth_cells=50.0)
    drawn = drawn_towards(start, site_of(16))
    assert drawn.blast_scale == pytest.approx(np.sqrt((4 + 1) / 2), abs=1e-5)
    assert drawn.blast_shape[30] == pytest.approx(0.5 + start.blast_shape[30] / 2, rel=1e-3)
    assert sum(drawn.blast_shape) == pytest.approx(1, abs=1e-3)
    assert drawn.patients == 16


def test_cells_of_few_patients_are_worth_no_more_than_they_were() -> None:
    start = replace(error_model(), worth_cells=50.0)
    assert drawn_towards(start, site_of(16)).worth_cells == 50.0
    careful = replace(site_of(16), worth_cells=2.0)
    assert drawn_towards(start, careful).worth_cells == 10.0


def test_what_the_patients_say_already_stays_as_it_is() -> None:
    start = error_model()
    again = drawn_towards(start, start)
    for name, value in start.to_card().items():
        is_number = not isinstance(value, str | dict)
        close = pytest.approx(value, rel=1e-3, abs=1e-6) if is_number else value
        assert again.to_card()[name] == close, name


def site_labels(patients: int = 12, cells: int = 100, shift: float = 0.0) -> LabelledHistograms:
    """Drawn patients whose log-odds lie ``shift`` higher than those of the start."""
    probability, *others = labelled(patients, cells, seed=5)
    odds = probability / (1 - probability) * np.exp(shift)
    return LabelledHistograms.of(odds / (1 + odds), *others)


def everyone(site: LabelledHistograms) -> np.ndarray:
    return np.ones(len(site.share), np.bool_)


def test_a_sites_patients_move_the_recalibration_as_far_as_they_can() -> None:
    start = error_model()
    unsure = np.array([1.0, 0.0, 0.1])

    def intercept_of(patients: int) -> float:
        site = site_labels(patients, shift=3.0)
        return float(unsure @ site_recalibration(site, start, everyone(site)).intercept)

    was, few, many = unsure @ start.recalibration.intercept, intercept_of(4), intercept_of(40)
    assert many < few < was
    assert was - few < 0.7 * (was - many)


def test_what_all_of_a_sites_patients_share_moves_no_slope() -> None:
    start, (probability, *others) = error_model(), labelled(12, 100, seed=5)
    site = LabelledHistograms.of(np.zeros_like(probability), *others)
    moved = site_recalibration(site, start, everyone(site))
    assert moved.intercept[1:] == start.recalibration.intercept[1:]
    assert moved.log_slope[1:] == start.recalibration.log_slope[1:]


def test_cells_of_a_sites_patients_are_worth_what_they_were_at_the_start() -> None:
    start, site = error_model(), site_labels(cells=400)
    assert site_recalibration(site, start, everyone(site)).worth_cells == 100
    assert site_recalibration(site, None, everyone(site)).worth_cells == 400


def test_a_patient_in_two_spellings_is_not_two(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one_cell = np.ones(1)
    nights = {"first": "M\u00fcller", "second": "Mu\u0308ller"}
    monkeypatch.setattr(site_model, "_refuse_other_kind", lambda *_: None)
    monkeypatch.setattr(site_model, "run_identity", lambda run: run.folder)
    monkeypatch.setattr(
        site_model,
        "signed_labels",
        lambda run: [SignedLabels(nights[run.folder], one_cell, one_cell > 0, one_cell)],
    )
    runs = [SimpleNamespace(folder=folder) for folder in nights]
    with pytest.raises(InputError, match=r"first, second has the patient M.*two spellings"):
        site_model.write_site_model_of_reviews(runs, tmp_path / "site")


def trial_of(covered: int, patients: int, error: float = 0.0) -> SiteTrial:
    """Shares of 30 %; by the others ``error`` higher, give or take one, and so many covered."""
    by_others, by_start = (np.zeros(patients, SHARE_ESTIMATE) for _ in range(2))
    by_start["share"] = 0.3 + 0.01 * (np.arange(patients) % 3 - 1)
    by_start["high"] = 1.0
    by_others["share"] = by_start["share"] + error
    by_others["high"] = np.where(np.arange(patients) < covered, 1.0, 0.2)
    names = np.array([f"p{i}" for i in range(patients)])
    return SiteTrial(names, np.full(patients, 0.3), by_others, by_start)


@pytest.mark.parametrize(("covered", "patients"), [(5, 8), (9, 12), (34, 40)])
def test_what_covers_too_few_is_objected_to(covered: int, patients: int) -> None:
    objection = trial_of(covered, patients).objection
    assert objection is not None
    assert f"{covered} of {patients} patients" in objection
    assert "more patients are needed" in objection
    assert trial_of(covered + 1, patients).objection is None


def test_what_errs_more_than_the_model_as_it_was_is_objected_to() -> None:
    objection = trial_of(12, 12, error=0.05).objection
    assert objection is not None
    assert "off by 5.0 points, and by 0.7 with the model as it was" in objection
    assert "about 16 more patients" in objection
    assert replace(trial_of(12, 12, error=0.05), by_start=None).objection is None


def test_what_so_few_patients_cannot_show_is_said() -> None:
    doubt = trial_of(12, 12).doubt
    assert doubt is not None
    assert "73 times in 100 only" in doubt
    assert "about 23 more patients" in doubt
    assert trial_of(40, 40).doubt is None
    assert trial_of(37, 40).doubt is not None


def test_each_patient_is_judged_by_a_fit_without_it() -> None:
    start, site = error_model(), site_labels()
    trial = SiteTrial.of(site, start)
    alone = np.arange(12) == np.argsort(site.share, kind="stable")[5]
    by_hand = site_recalibration(site, start, ~np.isin(np.arange(12), np.flatnonzero(alone)))
    expected = by_hand.core().estimate_shares(site.counts[alone])
    assert trial.by_others[alone].tobytes() == expected.tobytes()
    row = trial.rows()[int(np.flatnonzero(alone)[0])]
    assert row["percent"] == pytest.approx(100 * expected["share"][0], abs=0.01)
    assert row["covered"] is (row["percent_low"] <= row["true_percent"] <= row["percent_high"])
    figures = trial.figures()
    errors = [one["start_error_points"] for one in trial.rows()]
    assert figures["start_error_points"] == pytest.approx(np.mean(errors), abs=0.01)
