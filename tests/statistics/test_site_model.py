"""A site's error model: drawn towards the model's own, the more the fewer patients it has."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.drawn_patients import error_model, labelled

from bloodcell.error_model import ErrorModel, drawn_towards, fit_error_model, weight_of_site


def site_of(patients: int) -> ErrorModel:
    return replace(
        error_model(), patients=patients, blast_scale=2.0, other_scale=0.1, worth_cells=900.0,
        blast_shape=tuple(np.eye(56)[30]),
    )  # fmt: skip


def test_eight_patients_weigh_half_and_forty_five_sixths() -> None:
    assert weight_of_site(8) == 0.5
    assert weight_of_site(40) == pytest.approx(5 / 6)
    start = replace(error_model(), blast_scale=1.0, worth_cells=50.0)
    drawn = drawn_towards(start, site_of(8))
    assert drawn.blast_scale == pytest.approx(np.sqrt((4 + 1) / 2), abs=1e-5)
    assert drawn.blast_shape[30] == pytest.approx(0.5 + start.blast_shape[30] / 2, rel=1e-3)
    assert sum(drawn.blast_shape) == pytest.approx(1, abs=1e-3)
    assert drawn.patients == 8


def test_cells_of_few_patients_are_worth_no_more_than_they_were() -> None:
    start = replace(error_model(), worth_cells=50.0)
    assert drawn_towards(start, site_of(8)).worth_cells == 50.0
    careful = replace(site_of(8), worth_cells=2.0)
    assert drawn_towards(start, careful).worth_cells == 10.0


def test_what_the_patients_say_already_stays_as_it_is() -> None:
    start = error_model()
    again = drawn_towards(start, start)
    for name, value in start.to_card().items():
        is_number = not isinstance(value, str | dict)
        close = pytest.approx(value, rel=1e-3, abs=1e-6) if is_number else value
        assert again.to_card()[name] == close, name


def test_intervals_of_a_site_of_eight_patients_are_wider_than_of_these_alone() -> None:
    start = fit_error_model(*labelled(patients=60, cells=100, seed=1), held_out="drawn")
    narrow = []
    for seed in range(2, 6):
        site = fit_error_model(*labelled(patients=8, cells=100, seed=seed), held_out="drawn")
        drawn = drawn_towards(start, site)
        # Whatever eight patients say of the spread between patients, half of it is the start's.
        for own, started, both in (
            (site.blast_scale, start.blast_scale, drawn.blast_scale),
            (site.other_scale, start.other_scale, drawn.other_scale),
        ):
            assert min(own, started) - 1e-6 <= both <= max(own, started) + 1e-6
        narrow.append(site.blast_scale < drawn.blast_scale)
    assert any(narrow)
