"""Runs with labels, small enough to evaluate by eye."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bloodcell.engine.backends.contract import Choice
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.run import Run
from bloodcell.run_record import Counts, Job, RunRecord
from bloodcell.scheme import Equivalents, Specimen

BLAST = "blast_no_lineage_spec"
CLASSES = 18


def run_of(
    folder: Path,
    cells: list[tuple[str, str, str | None, float | None]],
    adjusted: dict[str, tuple[float, float, float]] | None = None,
    profile: Specimen = "blood",
    blast_equivalents: Equivalents = "none",
) -> Run:
    """A run of cells (path, patient, class, blast probability); None, None: rejected.

    A cell called a blast has that probability of it, and the rest evenly of all others; any other
    cell has the rest of what it is called. ``adjusted`` holds share, low and high in percent of the
    patients that have them.
    """
    (folder / "cells").mkdir()
    paths, patients, classes, probabilities = zip(*cells, strict=True)
    table = {
        "path": paths,
        "patient": patients,
        "class": classes,
        "blast_probability": pa.array(probabilities, pa.float32()),
        "probabilities": pa.array(
            [_probabilities(called, blast) for _, _, called, blast in cells],
            pa.list_(pa.float32(), CLASSES),
        ),
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
    scored = len(cells) - classes.count(None)
    counts = Counts(len(cells), scored, {"corrupt": len(cells) - scored}, len(names))
    return Run(folder, _record_of(profile, blast_equivalents, counts))


def _probabilities(called: str | None, blast: float | None) -> list[float | None]:
    """In no scheme's order: the most probable class first."""
    if called is None or blast is None:
        return [None] * CLASSES
    if called == BLAST:
        return [blast, *[(1 - blast) / (CLASSES - 1)] * (CLASSES - 1)]
    return [1 - blast, blast, *[0.0] * (CLASSES - 2)]


def _record_of(profile: Specimen, blast_equivalents: Equivalents, counts: Counts) -> RunRecord:
    job = Job(
        input="/smears",
        model="a-model",
        model_version="1",
        model_sha256="0" * 64,
        card_sha256="1" * 64,
        profile=profile,
        blast_equivalents=blast_equivalents,
        interval_width=10.0,
        backend="onnxruntime",
        device="CPU",
        rows_per_part=4096,
        versions={},
    )
    return RunRecord(
        job=job,
        manifest_sha256="2" * 64,
        scheme="jhu18",
        error_model=None,
        why_not_adjusted="no error model in the model card",
        model_folder="/a-model",
        backend=Choice("onnxruntime", "asked for", "CPU"),
        preprocessing=Preprocessing(8, 1.0, "linear", True, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        temperature=1.0,
        started="2026-01-01T00:00:00+00:00",
        state="done",
        counts=counts,
    )


def labels(folder: Path, *rows: str) -> Path:
    """A table of labels; a row is ``path,class``."""
    path = folder / "labels.csv"
    path.write_text("\n".join(["path,class", *rows]) + "\n")
    return path
