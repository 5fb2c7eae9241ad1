"""The table of patients that CSV and XLSX hold: the result that counts, then the network's own."""

from typing import Any

import pyarrow as pa

from bloodcell.bands import BANDS
from bloodcell.export.results import RESEARCH_USE, PatientResults, results_of
from bloodcell.run import Run
from bloodcell.shares import ADJUSTED

_OF_IMAGES = ("patient", "cells", "scored", "rejected", "unstained")
"""Columns of ``patients.parquet`` that no review changes."""

_ADDED_LATER = ("unstained", "unidentified")
"""Columns of ``patients.parquet``, of counts, that runs of before them lack."""

_RESULT = pa.schema(
    [
        ("patient", pa.string()),
        ("status", pa.string()),
        ("signed_by", pa.string()),
        ("pending", pa.string()),
        *((name, pa.float64()) for name in (*ADJUSTED, *BANDS)),
        ("blast_percent_method", pa.string()),
        ("blast_percent_why_not", pa.string()),
        ("denominator", pa.int64()),
    ]
)
_REVIEW = pa.schema(
    [
        ("reviewers", pa.string()),
        ("comment", pa.string()),
        ("cells_looked_at", pa.int64()),
        ("cells_disputed", pa.int64()),
        ("basis", pa.string()),
    ]
)


def exported_patients(run: Run) -> pa.Table:
    """A row a patient, the same columns with or without a review.

    First the result that counts, the numbers that FHIR and HL7 have; what the review was; images;
    all other columns of ``patients.parquet``, ``network_`` before their names; ``use``. What runs
    of older versions did not count is null.
    """
    network = _with_later_columns(run.patients)
    classes = [name for name in network.column_names if name.startswith("n_")]
    rows = [_result(one) | _review(one) for one in results_of(run)]
    counts = [(name, pa.int64()) for name in classes]
    table = pa.Table.from_pylist(rows, schema=pa.schema([*_RESULT, *counts, *_REVIEW]))
    for name in _OF_IMAGES[1:]:
        table = table.append_column(name, network[name])
    for name in network.column_names:
        if name not in _OF_IMAGES:
            table = table.append_column(f"network_{name}", network[name])
    return table.append_column("use", pa.array([RESEARCH_USE] * len(rows)))


def _with_later_columns(network: pa.Table) -> pa.Table:
    for name in _ADDED_LATER:
        if name not in network.column_names:
            network = network.append_column(name, pa.nulls(len(network), pa.int64()))
    return network


def _result(patient: PatientResults) -> dict[str, Any]:
    share = patient.results[0]
    return {
        "patient": patient.patient,
        "status": patient.status,
        "signed_by": ", ".join(patient.signed_by) or None,
        "pending": patient.pending or None,
        **dict(zip(ADJUSTED, (share.value, share.low, share.high), strict=True)),
        **share.bands,
        "blast_percent_method": share.method,
        "blast_percent_why_not": share.why_not or None,
        "denominator": share.denominator,
        **{one.code: one.cells for one in patient.results if one.code.startswith("n_")},
    }


def _review(patient: PatientResults) -> dict[str, Any]:
    row = patient.review
    if row is None:
        return {}
    people = ", ".join(row["reviewers"])
    return {"reviewers": people} | {
        name: row[name] for name in _REVIEW.names if name != "reviewers"
    }
