"""Reports of libbloodcell against the tables that Python makes of the same probabilities."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from helpers.embedded import EmbeddedModel, Library
from helpers.tiny_model import write_tiny_model

import bloodcell
from bloodcell._core import REASONS
from bloodcell.bands import BANDS
from bloodcell.model import Model, load_model
from bloodcell.patients import PatientCounts, patient_table
from bloodcell.shares import ADJUSTED, Counting

NUMBERS = (
    "cells", "scored", "rejected", "denominator", "blasts_counted", "unstained",
    "blast_percent_naive", "blast_percent_naive_low", "blast_percent_naive_high", *ADJUSTED,
    "erythroid_per_100", "excluded_per_100", "unidentified_per_100", "unidentified",
)  # fmt: skip


def rows_by_library(
    model: EmbeddedModel, cells: pa.Table, codes: list[str]
) -> dict[str, dict[str, Any]]:
    """Each patient's row as patients.parquet would have it."""
    counts, rows = model.counts(), {}
    for patient in sorted(set(cells["patient"].to_pylist())):
        own = cells.filter(pc.equal(cells["patient"], patient)).to_pydict()
        reasons = [REASONS.index(reason or "") for reason in own["reason"]]
        probabilities = np.array(own["probabilities"], np.float32)
        stained = [bool(one) for one in own["stained"]]
        given = model.cells_called(own["row"], probabilities, reasons, stained)
        counts.add(patient, given, probabilities)
        report, class_counts = counts.report(patient)
        row = {name: getattr(report, name) for name in NUMBERS}
        row |= dict(zip(BANDS, report.bands, strict=True))
        row |= {f"n_{code}": n for code, n in zip(codes, class_counts, strict=True)}
        row["adjustment"] = model.library.text("adjustment", report.adjustment)
        row["sufficient"] = bool(report.sufficient) if report.adjustment == 0 else None
        rows[patient] = {
            name: None if isinstance(value, float) and np.isnan(value) else value
            for name, value in row.items()
        }
    return rows


def rows_by_python(cells: pa.Table, model: Model, counting: Counting) -> dict[str, dict[str, Any]]:
    scheme = model.scheme.counted_as(counting.profile, counting.blast_equivalents)
    counts = PatientCounts(pa.array(sorted(set(cells["patient"].to_pylist()))), scheme)
    counts.add_part(cells.combine_chunks())
    rows = patient_table(counts, replace(model, scheme=scheme), counting).to_pylist()
    return {row.pop("patient"): row for row in rows}


def drawn_cells(seed: int, classes: int, blast: int) -> pa.Table:
    """Patients of all kinds: usual ones, of one kind only, odd, hardly stained, all rejected."""
    rng, columns = np.random.default_rng(seed), []
    kinds = [
        (0.1, 3, -3),
        (0.5, 4, -4),
        (0, 0, -4),
        (1, 4, 0),
        (1, 0, 0),
        (0.5, 8, 0),
        (0.2, 3, -3),
    ]
    for i, (share, of_blasts, of_others) in enumerate(kinds * 3):
        cells = int(rng.integers(1, 160))
        centre = np.where(rng.random(cells) < share, of_blasts, of_others)
        p_blast = 1 / (1 + np.exp(-rng.normal(centre, 0.2 if of_blasts == of_others else 1.5)))
        rest = rng.dirichlet(np.full(classes, 0.3), cells) * (1 - p_blast)[:, None]
        rest[:, blast] = p_blast
        rest /= rest.sum(axis=1, keepdims=True)
        probabilities = (np.rint(rest * 65536) / 65536).astype(np.float32)
        rejected = rng.random(cells) < (1.0 if i == 20 else 0.1)
        probabilities[rejected] = np.nan
        reason = [REASONS[rng.integers(1, 11)] if r else None for r in rejected]
        stained = [None if r else bool(rng.random() < (0.4 if i == 19 else 0.9)) for r in rejected]
        columns.append(
            pa.table(
                {
                    "row": pa.array(np.arange(cells) + 1000 * i),
                    "patient": [f"p{i:02d}"] * cells,
                    "status": ["rejected" if r else "scored" for r in rejected],
                    "reason": pa.array(reason, pa.string()),
                    "probabilities": pa.FixedSizeListArray.from_arrays(
                        pa.array(probabilities.ravel()), classes
                    ),
                    "stained": pa.array(stained, pa.bool_()),
                }
            )
        )
    return pa.concat_tables(columns)


@pytest.mark.parametrize(
    ("profile", "equivalents", "width"), [("blood", "none", 10.0), ("marrow", "aml", 30.0)]
)
def test_reports_are_the_rows_of_patients_bit_for_bit(
    library: Library, profile: str, equivalents: str, width: float
) -> None:
    python = load_model()
    model = library.open(
        python.folder,
        profile=profile.encode(),
        blast_equivalents=equivalents.encode(),
        interval_width=width,
    )
    cells = drawn_cells(7, len(python.scheme.codes), int(python.scheme.is_blast.argmax()))
    expected = rows_by_python(cells, python, Counting(profile, equivalents, width))
    own = rows_by_library(model, cells, python.scheme.codes)
    for patient, row in own.items():
        # The library's text for another counting names neither; the number says which it is.
        texts = expected[patient].pop("adjustment"), row.pop("adjustment")
        assert texts[0] == texts[1] or texts[0].startswith("error model is for profile")
        assert row == expected[patient], patient
    if profile == "blood":
        assert len({row["blast_percent"] is None for row in own.values()}) == 2


def test_a_cell_is_unidentified_under_one_half(model: EmbeddedModel) -> None:
    probabilities = np.zeros((4, model.about.classes), np.float32)
    below, above = 0.5 - 2**-16, 0.5 + 2**-16
    for row, (first, second) in enumerate(((below, 0.4), (0.4, 0.5), (above, 0.1), (1.0, 0.0))):
        probabilities[row, :3] = first, second, 1 - first - second
    counts = model.counts()
    # The last one is rejected.
    counts.add("p", model.cells_called([0, 1, 2, 3], probabilities, [0, 0, 0, 1]), probabilities)
    assert counts.report("p", "snapshot")[0].unidentified == 1
    counts.add("p", model.cells_called([4], probabilities[:1]), probabilities[:1])
    assert counts.report("p")[0].unidentified == 2


def test_every_reason_against_adjusting_is_met(model: EmbeddedModel) -> None:
    """Or the comparison above would show less than it says."""
    python = load_model()
    cells = drawn_cells(7, len(python.scheme.codes), int(python.scheme.is_blast.argmax()))
    rows = rows_by_library(model, cells, python.scheme.codes)
    texts = {row["adjustment"] for row in rows.values()}
    assert texts == {model.library.text("adjustment", i) for i in (0, 1, 4, 5, 6)}


def test_a_run_of_drawn_smears_has_the_same_rows(model: EmbeddedModel, run: bloodcell.Run) -> None:
    python = load_model()
    expected = {row.pop("patient"): row for row in run.patients.to_pylist()}
    assert rows_by_library(model, run.cells(), python.scheme.codes) == expected


@pytest.mark.real_data
def test_real_cells_scored_by_the_library_have_the_rows_of_python(
    model: EmbeddedModel, real_data: Path
) -> None:
    from embedding.test_probabilities import rgb_of

    python = load_model()
    folders = sorted(path for path in (real_data / "aml-apl/test").iterdir() if path.is_dir())
    parts = []
    for folder in folders[:3]:
        cells, probabilities = model.score(rgb_of(sorted(folder.iterdir())[:40]))
        parts.append(
            pa.table(
                {
                    "row": [cell.row for cell in cells],
                    "patient": [folder.name] * len(cells),
                    "status": ["scored"] * len(cells),
                    "reason": pa.nulls(len(cells), pa.string()),
                    "probabilities": pa.FixedSizeListArray.from_arrays(
                        pa.array(probabilities.ravel()), len(python.scheme.codes)
                    ),
                    "stained": [bool(cell.stained) for cell in cells],
                }
            )
        )
    table = pa.concat_tables(parts)
    expected = rows_by_python(table, python, Counting("blood", "none", 10.0))
    assert rows_by_library(model, table, python.scheme.codes) == expected


def test_without_an_error_model_nothing_is_adjusted(library: Library, tmp_path: Path) -> None:
    model = library.open(write_tiny_model(tmp_path / "m", "jhu18"))
    counts = model.counts()
    counts.add("p", *model.score([np.full((20, 20, 3), 190, np.uint8)]))
    assert model.about.has_error_model == 0
    assert model.library.text("adjustment", counts.report("p", "snapshot")[0].adjustment) == (
        "most cells look otherwise than the stained smears that the network learnt from: "
        "what are these images of?"
    )
