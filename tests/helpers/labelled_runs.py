"""Runs with labels, small enough to evaluate by eye."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bloodcell.run import Run

BLAST = "blast_no_lineage_spec"


def run_of(
    folder: Path,
    cells: list[tuple[str, str, str | None, float | None]],
    adjusted: dict[str, tuple[float, float, float]] | None = None,
    profile: str = "blood",
    blast_equivalents: str = "none",
) -> Run:
    """A run of cells (path, patient, class, blast probability); None, None: rejected.

    ``adjusted`` holds share, low and high in percent of the patients that have them.
    """
    (folder / "cells").mkdir()
    paths, patients, classes, probabilities = zip(*cells, strict=True)
    table = {
        "path": paths,
        "patient": patients,
        "class": classes,
        "blast_probability": pa.array(probabilities, pa.float32()),
    }
    pq.write_table(pa.table(table), folder / "cells" / "part-00000.parquet")
    names = sorted(set(patients))
    shares = [(adjusted or {}).get(name, (None, None, None)) for name in names]
    columns = ("blast_percent", "blast_percent_low", "blast_percent_high")
    adjusted_columns = {
        column: pa.array([share[place] for share in shares], pa.float64())
        for place, column in enumerate(columns)
    }
    pq.write_table(pa.table({"patient": names, **adjusted_columns}), folder / "patients.parquet")
    job = {
        "model": "a-model",
        "model_sha256": "0" * 64,
        "profile": profile,
        "blast_equivalents": blast_equivalents,
    }
    return Run(folder, {"scheme": "jhu18", "cells": len(cells), "job": job})


def labels(folder: Path, *rows: str) -> Path:
    """A table of labels; a row is ``path,class``."""
    path = folder / "labels.csv"
    path.write_text("\n".join(["path,class", *rows]) + "\n")
    return path
