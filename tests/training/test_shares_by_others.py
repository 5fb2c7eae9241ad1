"""Held-out patients, each adjusted by an error model that never saw it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import tomli_w
import torch
from helpers.drawn_patients import histogram_of, labelled
from helpers.drawn_runs import copy_of_model

from bloodcell.error_model import fit_error_model
from bloodcell.error_model.refit import refit
from bloodcell.errors import ModelError
from bloodcell.evaluation.join import Joined
from bloodcell.scheme import Scheme, load_scheme
from bloodcell.toml import read_toml
from bloodcell.training.export import HELD_OUT, card_tables, write_held_out
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
        top_probability=np.maximum(probability, 1 - probability),
        label_scheme=scheme,
        run_scheme=scheme,
        cells={},
    )


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    """Of twenty held-out patients, as a card states them."""
    return held_out_figures(drawn_cells(20))


def test_a_patient_is_adjusted_by_the_others_alone(figures: dict[str, Any]) -> None:
    rows = {row["patient"]: row for row in figures["patient"]}
    probability, is_blast, called, patient = labelled(20)
    names = list(rows)
    assert names == sorted(set(patient))
    # In the order of their blast share, the first and the eleventh patient are left out together.
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
        (by_hand,) = model.recalibration.core().estimate_shares(histogram[None])
        by_others = [rows[name][f"adjusted_percent{end}"] for end in ("", "_low", "_high")]
        expected = [100 * by_hand[field] for field in ("share", "low", "high")]
        assert by_others == pytest.approx(expected)


def test_the_card_counts_intervals_and_errors_of_held_out_patients(
    figures: dict[str, Any],
) -> None:
    shares, rows = figures["shares"], figures["patient"]
    assert shares["patients"] == 20
    assert shares["covered"] == sum(row.get("covered", False) for row in rows)
    assert shares["covered"] >= 17
    assert shares["adjusted_error_points"] < 0.7 * shares["naive_error_points_of_adjusted"]


def test_too_few_patients_have_naive_shares_only() -> None:
    figures = held_out_figures(drawn_cells(8))  # seven others are too few for an error model
    assert figures["shares"]["adjusted_patients"] == 0
    assert "coverage" not in figures["shares"]
    assert all("naive_percent" in row and "covered" not in row for row in figures["patient"])


def read_held_out(folder: Path, scheme: Scheme) -> Joined:
    table = pq.read_table(folder / HELD_OUT).to_pydict()
    # The shipped networks' files are of before this column.
    unknown = np.full(len(table["label"]), np.nan)
    return Joined(
        patient=np.array(table["patient"]),
        label=np.array(table["label"]),
        called=np.array(table["called"]),
        blast_probability=np.array(table["blast_probability"], np.float64),
        top_probability=np.array(table.get("top_probability", unknown), np.float64),
        label_scheme=scheme,
        run_scheme=scheme,
        cells={},
    )


def test_a_card_can_be_made_again_from_the_held_out_cells_beside_it(tmp_path: Path) -> None:
    cells = drawn_cells(8)
    in_float32 = cells.blast_probability.astype(np.float32).astype(np.float64)
    logits = torch.arange(len(cells.patient) * 2.0).reshape(-1, 2)
    write_held_out(tmp_path, cells, logits)
    kept = pq.read_table(tmp_path / HELD_OUT)["logits"].to_pylist()
    assert kept == logits.half().tolist()
    tables = card_tables(read_held_out(tmp_path, cells.run_scheme), folds=3)
    assert tables == card_tables(replace(cells, blast_probability=in_float32), folds=3)
    assert tables["error_model"]["patients"] == 8
    assert tables["error_model"]["held_out"].endswith("in one of 3 folds")


def test_the_default_error_model_is_what_its_held_out_cells_give(tmp_path: Path) -> None:
    folder = copy_of_model(tmp_path)
    shipped = read_toml(folder / "card.toml", ModelError)
    spoilt = shipped | {"error_model": shipped["error_model"] | {"worth_cells": 1.0}}
    (folder / "card.toml").write_text(tomli_w.dumps(spoilt))
    refit(folder)
    fitted = read_toml(folder / "card.toml", ModelError)
    assert {**fitted, "error_model": None} == {**shipped, "error_model": None}
    card, card_again = shipped["error_model"], fitted["error_model"]
    tables = (card, card_again), (card.pop("recalibration"), card_again.pop("recalibration"))
    for was, again in tables:
        for name, value in was.items():
            # Elsewhere the last digit may be rounded otherwise.
            close = value if isinstance(value, str) else pytest.approx(value, rel=1e-3, abs=1e-9)
            assert again[name] == close, name


def test_the_default_cards_figures_of_patients_are_what_its_held_out_cells_give(
    tmp_path: Path,
) -> None:
    folder = copy_of_model(tmp_path)
    stated = read_toml(folder / "card.toml", ModelError)["metrics"]["validation"]
    again = held_out_figures(read_held_out(folder, load_scheme("jhu18")))
    for name in ("shares", "patient"):
        for was, now in zip(*(_rows(figures[name]) for figures in (stated, again)), strict=True):
            assert now == pytest.approx(was, rel=1e-3, abs=0.01)


def _rows(figures: Any) -> list[dict[str, Any]]:
    """Without names, which are no numbers."""
    rows = figures if isinstance(figures, list) else [figures]
    return [{key: n for key, n in row.items() if key != "patient"} for row in rows]


def test_a_card_without_an_error_model_is_not_fitted_anew(tmp_path: Path) -> None:
    folder = copy_of_model(tmp_path)
    card = read_toml(folder / "card.toml", ModelError)
    del card["error_model"]
    (folder / "card.toml").write_text(tomli_w.dumps(card))
    with pytest.raises(ModelError, match="no error model to fit anew"):
        refit(folder)
