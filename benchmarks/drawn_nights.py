"""Runs of any size whose scores are drawn and whose images are a few, again and again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import bloodcell
from bloodcell.bench.inputs import repeated_input
from bloodcell.bench.sample import drawn_part
from bloodcell.digests import digest_array
from bloodcell.files import sha256_of
from bloodcell.model import load_model
from bloodcell.parts import PartAssembler, part_content
from bloodcell.patients import PatientCounts, patient_table
from bloodcell.run import Run
from bloodcell.run_record import Counts, write_record
from bloodcell.shares import Counting
from bloodcell.store import ROWS_PER_PART, RunStore


def drawn_night(folder: Path, cells: int, patients: int) -> Run:
    """A finished run without a report: ``patients`` one after the other, of equally many cells."""
    source = repeated_input(None, 512, folder / "input")
    record = bloodcell.score(source, folder / "run").record
    store = RunStore(folder / "run")
    digests = digest_array(store.read_columns(0, ["digest"])["digest"])
    names = pa.array([f"patient-{i:05d}" for i in range(patients)])
    _write_manifest(store, source, cells, names)
    model = load_model()
    patient_counts = PatientCounts(names, model.scheme)
    scores = drawn_part(patients, model.scheme).scores
    for part in range(pq.read_metadata(store.manifest_path).num_row_groups):
        rows = store.rows_of(part)
        assembler = PartAssembler(rows, model.scheme)
        for batch in scores:
            numbers = part * ROWS_PER_PART + batch.rows
            is_there = numbers < cells
            assembler.add(replace(
                batch, rows=numbers[is_there], reasons=batch.reasons[is_there],
                probabilities=batch.probabilities[is_there], stained=batch.stained[is_there],
                digests=digests[numbers[is_there] % len(digests)],
            ))  # fmt: skip
        table = assembler.table()
        store.write_part(part, part_content(table))
        patient_counts.add_part(table)
    job = record.job
    counting = Counting.of(job)
    pq.write_table(patient_table(patient_counts, model, counting), store.patients_path)
    record = replace(
        record,
        counts=Counts(cells, cells, {}, patients),
        manifest_sha256=sha256_of(store.manifest_path),
    )
    write_record(store.record_path, record)
    (store.folder / "review" / "plan.parquet").unlink()
    return Run(store.folder, record)


def _write_manifest(store: RunStore, source: Path, cells: int, names: pa.Array) -> None:
    images = pq.read_table(source)["path"]
    with pq.ParquetWriter(store.manifest_path, RunStore.rows_of(store, 0).schema) as writer:
        for first in range(0, cells, ROWS_PER_PART):
            row = np.arange(first, min(first + ROWS_PER_PART, cells))
            columns = {
                "row": row,
                "path": images.take(pa.array(row % len(images))),
                "patient": names.take(pa.array(row * len(names) // cells)),
            }
            writer.write_table(pa.table(columns, schema=writer.schema))
