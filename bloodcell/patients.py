"""From accumulated integers to the table of patients."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from bloodcell._core import REASONS, Accumulator
from bloodcell.errors import RunError
from bloodcell.files import write_whole
from bloodcell.model import Model
from bloodcell.run_record import Counts, Unstained
from bloodcell.scheme import Scheme
from bloodcell.shares import ADJUSTED, Counting, adjusted_columns, naive_columns
from bloodcell.unidentified import is_unidentified, probabilities_of
from bloodcell.unstained import lacks_stain, unstained_of, without_adjustment

SUSPICIOUS_PER_PATIENT = 24
"""How many of a patient's cells the accumulator keeps as most likely blasts."""


class PatientCounts:
    """What is known of each of a run's patients, ``names`` in ascending order, in integers."""

    def __init__(self, names: pa.Array, scheme: Scheme) -> None:
        self.names = names
        self.accumulator = Accumulator(
            len(names), scheme.is_blast, scheme.is_leukocyte, SUSPICIOUS_PER_PATIENT
        )
        self.unstained = np.zeros(len(names), np.int64)
        """Scored cells that are not ``stained``."""
        self.unidentified = np.zeros(len(names), np.int64)
        """Scored cells that are more likely something else than what they are called."""

    def add_part(self, part: pa.Table) -> None:
        """Add one part of ``cells/``."""
        patient = pc.cast(pc.index_in(part["patient"], value_set=self.names), pa.int32())
        rejected = pc.equal(part["status"], "rejected")
        scored = part.filter(pc.invert(rejected))
        self.add_scored(
            patient.filter(pc.invert(rejected)).to_numpy(),
            scored["row"].to_numpy(),
            probabilities_of(scored),
            stained=np.array(scored["stained"], np.bool_),
        )
        reasons = pc.index_in(part["reason"].filter(rejected), value_set=pa.array(REASONS))
        self.accumulator.reject(
            patient.filter(rejected).to_numpy(), reasons.to_numpy().astype(np.uint8)
        )

    def add_scored(
        self,
        patient: npt.NDArray[np.int32],
        row: npt.NDArray[np.int64],
        probabilities: npt.NDArray[np.float32],
        *,
        stained: npt.NDArray[np.bool_],
    ) -> None:
        """Add N scored cells: places in ``names``, rows, (N, C), and whether each is stained."""
        self.accumulator.add(patient, row, probabilities)
        self.unstained += np.bincount(patient[~stained], minlength=len(self.names))
        unidentified = is_unidentified(probabilities)
        self.unidentified += np.bincount(patient[unidentified], minlength=len(self.names))

    def counts(self, cells: int) -> Counts:
        """What they come to for a run of ``cells``."""
        return Counts(
            cells=cells,
            scored=int(self.accumulator.scored.sum()),
            rejected=rejected_by_reason(self.accumulator),
            patients=len(self.names),
        )

    def recorded(self, cells: int) -> dict[str, Any]:
        """The entries of ``run.json`` that they make for a run of ``cells``."""
        return {
            "counts": self.counts(cells),
            "unstained": self.unstained_cells(),
            "unidentified": int(self.unidentified.sum()),
        }

    def unstained_cells(self) -> Unstained | None:
        """See ``unstained_of``."""
        return unstained_of(self.unstained, self.accumulator.scored, self.names)


def reconcile(accumulator: Accumulator, cells: int) -> None:
    """Every cell of the manifest is scored or rejected, exactly once; else RunError."""
    scored, rejected = int(accumulator.scored.sum()), int(accumulator.rejected.sum())
    if scored + rejected != cells:
        raise RunError(
            f"the counts do not reconcile: {cells} cells in the manifest, {scored} scored and "
            f"{rejected} rejected. The parts in cells/ are not those of this run."
        )


def rejected_by_reason(accumulator: Accumulator) -> dict[str, int]:
    """Number of rejected cells for each reason that occurred."""
    counts = accumulator.rejected.sum(axis=0)
    return {reason: int(count) for reason, count in zip(REASONS, counts, strict=True) if count > 0}


def patient_table(
    patient_counts: PatientCounts, model: Model, counting: Counting, threads: int = 1
) -> pa.Table:
    """One row a patient, sorted by name; columns as docs/run-folder.md lists them.

    The naive share counts each cell as its most probable class. Shares and their intervals are
    null for a patient without a cell in the denominator; what ``adjustment`` says is null.
    """
    accumulator, unstained = patient_counts.accumulator, patient_counts.unstained
    scheme, counts = model.scheme, accumulator.class_counts
    rejected = accumulator.rejected.sum(axis=1)
    denominator = counts[:, scheme.is_leukocyte].sum(axis=1)
    blasts = counts[:, scheme.is_blast].sum(axis=1)
    naive = naive_columns(blasts, denominator)
    adjusted = without_adjustment(
        adjusted_columns(accumulator.blast_histogram, model.error_model, counting, threads),
        lacks_stain(unstained, accumulator.scored),
    )
    columns: dict[str, pa.Array] = {
        "patient": patient_counts.names,
        "cells": pa.array(accumulator.scored + rejected),
        "scored": pa.array(accumulator.scored),
        "rejected": pa.array(rejected),
        "denominator": pa.array(denominator),
        "blasts_counted": pa.array(blasts),
        "blast_percent_naive": naive.pop("blast_percent_naive"),
        **{name: adjusted.pop(name) for name in ADJUSTED},
        **naive,
        **{f"n_{code}": pa.array(counts[:, i]) for i, code in enumerate(scheme.codes)},
        **_per_100_leukocytes(counts, scheme),
        "unstained": pa.array(unstained),
        "unidentified": pa.array(patient_counts.unidentified),
        **adjusted,
    }
    return pa.table(columns)


def write_patients(path: Path, table: pa.Table) -> None:
    """Write ``table`` to ``path`` (Parquet) and, as CSV, beside it; DiskError if refused."""
    write_whole(path, lambda beside: pq.write_table(table, beside))
    csv = as_csv(table)
    write_whole(path.with_suffix(".csv"), lambda beside: beside.write_bytes(csv))


def without_formulas(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """``texts`` for a CSV: an apostrophe before what a spreadsheet would compute."""
    # Some spreadsheets take the wide forms of = + - @ as well.
    begin = r"^[=+\-@\t\r\n\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]"
    is_formula = pc.match_substring_regex(texts, begin)
    return pc.if_else(is_formula, pc.binary_join_element_wise("'", texts, ""), texts)


def as_csv(table: pa.Table) -> bytes:
    """A table as CSV, in UTF-8: numbers as they are, no text a formula."""
    columns = [
        without_formulas(column) if pa.types.is_string(column.type) else column
        for column in table.columns
    ]
    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(pa.table(columns, names=table.column_names), sink)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def _per_100_leukocytes(counts: npt.NDArray[np.int64], scheme: Scheme) -> dict[str, pa.Array]:
    """Cells that are no leukocytes, for each 100 that are; null without leukocytes."""
    role = np.array([c.role for c in scheme.classes])
    leukocytes = counts[:, np.isin(role, ["blast", "leukocyte"])].sum(axis=1)
    columns = {}
    for outside in ("erythroid", "excluded", "unidentified"):
        rate = 100.0 * counts[:, role == outside].sum(axis=1) / np.maximum(leukocytes, 1)
        columns[f"{outside}_per_100"] = pa.array(rate, mask=leukocytes == 0)
    return columns
