"""From accumulated integers to the table of patients."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bloodcell._core import REASONS, Accumulator
from bloodcell.errors import RunError
from bloodcell.scheme import Scheme

SUSPICIOUS_PER_PATIENT = 24
"""How many of a patient's cells are kept as most likely blasts."""

_ADJUSTED = ("blast_percent", "blast_percent_low", "blast_percent_high")
_BANDS = ("band_under_5", "band_5_9", "band_10_19", "band_20_up")


def new_accumulator(patients: int, scheme: Scheme) -> Accumulator:
    """An empty accumulator for ``scheme``."""
    return Accumulator(patients, scheme.is_blast, scheme.is_leukocyte, SUSPICIOUS_PER_PATIENT)


def accumulate_part(accumulator: Accumulator, names: pa.Array, part: pa.Table) -> None:
    """Add one part of ``cells/``; ``names`` are the run's patients in ascending order."""
    patient = pc.cast(pc.index_in(part["patient"], value_set=names), pa.int32())
    rejected = pc.equal(part["status"], "rejected")
    scored = part.filter(pc.invert(rejected))
    classes = part.schema.field("probabilities").type.list_size
    accumulator.add(
        patient.filter(pc.invert(rejected)).to_numpy(),
        scored["row"].to_numpy(),
        scored["probabilities"].combine_chunks().flatten().to_numpy().reshape(-1, classes),
    )
    reasons = pc.index_in(part["reason"].filter(rejected), value_set=pa.array(REASONS))
    accumulator.reject(patient.filter(rejected).to_numpy(), reasons.to_numpy().astype(np.uint8))


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


def patient_table(accumulator: Accumulator, names: pa.Array, scheme: Scheme) -> pa.Table:
    """One row a patient, sorted by name; columns as docs/run-folder.md lists them.

    The naive share counts each cell as its most probable class; it is null for a patient
    without a leukocyte. The adjusted share, its interval, the bands and ``sufficient`` are null
    as long as the model card holds no error model.
    """
    counts = accumulator.class_counts
    rejected = accumulator.rejected.sum(axis=1)
    denominator = counts[:, scheme.is_leukocyte].sum(axis=1)
    blasts = counts[:, scheme.is_blast].sum(axis=1)
    naive = 100.0 * blasts / np.maximum(denominator, 1)
    columns: dict[str, pa.Array] = {
        "patient": names,
        "cells": pa.array(accumulator.scored + rejected),
        "scored": pa.array(accumulator.scored),
        "rejected": pa.array(rejected),
        "denominator": pa.array(denominator),
        "blasts_counted": pa.array(blasts),
        "blast_percent_naive": pa.array(naive, mask=denominator == 0),
    }
    unknown = pa.nulls(len(names), pa.float64())
    columns |= dict.fromkeys(_ADJUSTED, unknown)
    columns |= {f"n_{code}": pa.array(counts[:, i]) for i, code in enumerate(scheme.codes)}
    columns |= dict.fromkeys(_BANDS, unknown)
    columns["sufficient"] = pa.nulls(len(names), pa.bool_())
    return pa.table(columns)
