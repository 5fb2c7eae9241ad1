"""Held-out patients, each adjusted by an error model that never saw it."""

import numpy as np
import pytest
from drawn_patients import histogram_of, labelled

from bloodcell.error_model import fit_error_model
from bloodcell.evaluation.join import Joined
from bloodcell.scheme import load_scheme
from bloodcell.training.left_out import shares_by_others
from bloodcell.training.validation import held_out_figures


def drawn_cells(patients: int) -> Joined:
    probability, is_blast, _, patient = labelled(patients)
    codes = np.array(["lymphocyte", "blast_no_lineage_spec"])
    scheme = load_scheme("jhu18")
    assert set(codes) <= set(scheme.codes)
    return Joined(
        patient=patient,
        label=codes[is_blast.astype(int)],
        called=codes[(probability > 0.5).astype(int)],
        blast_probability=probability,
        label_scheme=scheme,
        run_scheme=scheme,
        cells={},
    )


def test_a_patient_is_adjusted_by_the_others_alone() -> None:
    cells = drawn_cells(20)
    table = shares_by_others(cells)
    names = table["patient"].to_pylist()
    assert names == sorted(set(cells.patient))
    # In the order of their blast share, the first and the eleventh patient are left out together.
    probability, is_blast, called, patient = labelled(20)
    order = sorted(names, key=lambda name: is_blast[patient == name].mean())
    together = (order[0], order[10])
    known = ~np.isin(patient, together)
    model = fit_error_model(
        probability[known], is_blast[known], called[known], patient[known], held_out="by hand"
    )
    for name in together:
        own = probability[patient == name]
        # The accumulator knows probabilities as multiples of 2^-16.
        steps = np.rint(own * 65536).clip(0.25, 65535.75)
        histogram = histogram_of(np.log(steps / (65536 - steps)))
        by_hand = 100 * model.core().estimate_shares(histogram[None])[0, :3]
        row = table.to_pylist()[names.index(name)]
        found = row["blast_percent"], row["blast_percent_low"], row["blast_percent_high"]
        assert found == pytest.approx(tuple(by_hand))


def test_the_card_counts_intervals_and_errors_of_held_out_patients() -> None:
    figures = held_out_figures(drawn_cells(20))
    shares, rows = figures["shares"], figures["patient"]
    assert shares["patients"] == 20
    assert shares["covered"] == sum(row.get("covered", False) for row in rows)
    assert shares["covered"] >= 17
    assert shares["adjusted_error_points"] < 0.6 * shares["naive_error_points_of_adjusted"]


def test_too_few_patients_have_naive_shares_only() -> None:
    figures = held_out_figures(drawn_cells(8))  # seven others are too few for an error model
    assert figures["shares"]["adjusted_patients"] == 0
    assert "coverage" not in figures["shares"]
    assert all("naive_percent" in row and "covered" not in row for row in figures["patient"])
