"""An error model for a site's own scanner, from a run of which some patients are labelled."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tomli_w

from bloodcell.error_model import ErrorModel, fit_error_model
from bloodcell.errors import InputError, ModelError
from bloodcell.files import write_whole
from bloodcell.labels import read_labels
from bloodcell.model import Model, load_model
from bloodcell.run import Run
from bloodcell.scheme import Scheme


def calibrate(run: Run, labels_csv: Path, out: Path) -> ErrorModel:
    """Copy the model of ``run`` to ``out`` with an error model of the run's labelled patients.

    ``labels_csv`` has the columns ``path`` as in the run and ``class`` of the run's scheme. The
    patients must not be among those the network was trained on, which cannot be checked here.

    Raises InputError if labels and run do not match, patients or cells are too few, or ``out``
    exists; ModelError if the run's model is no longer where it was, or another one.
    """
    if out.exists():
        raise InputError(f"{out} exists: --out names a model folder to make")
    model, job = _model_of(run), run.about["job"]
    scheme = model.scheme.counted_as(job["profile"], job["blast_equivalents"])
    cells, is_blast = _labelled_cells(run, labels_csv, scheme)
    counted = np.array(scheme.codes)[scheme.is_leukocyte]
    error_model = fit_error_model(
        cells["blast_probability"].to_numpy().astype(np.float64),
        is_blast,
        np.isin(cells["class"].to_numpy(zero_copy_only=False).astype(str), counted),
        cells["patient"].to_numpy(zero_copy_only=False).astype(str),
        held_out="labelled after scoring; to be none of the patients the network was trained on",
        profile=job["profile"],
        blast_equivalents=job["blast_equivalents"],
    )
    _write_copy(model, error_model, out)
    return error_model


def _model_of(run: Run) -> Model:
    model = load_model(run.about["model_folder"])
    expected = run.about["job"]["model_sha256"]
    if model.weights_sha256 != expected:
        raise ModelError(
            f"{model.folder} holds another network than the run was scored with: SHA-256 "
            f"{model.weights_sha256}, the run says {expected}. Score again with this one"
        )
    return model


def _labelled_cells(
    run: Run, labels_csv: Path, scheme: Scheme
) -> tuple[pa.Table, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """The run's scored cells that have a label, and whether the label is a blast, bool (N,)."""
    truth = {row["path"]: row["class"] for row in read_labels(labels_csv, ("path", "class"))}
    unknown = sorted(set(truth.values()) - set(scheme.codes))
    if unknown:
        raise InputError(
            f"{labels_csv} has classes that scheme {scheme.name!r} of the run lacks: {unknown}"
        )
    cells = run.cells(["path", "patient", "class", "blast_probability"])
    labelled = pc.is_in(cells["path"], value_set=pa.array(list(truth), pa.string()))
    cells = cells.filter(pc.and_(labelled, pc.is_valid(cells["class"])))
    if cells.num_rows == 0:
        raise InputError(f"no scored cell of {run.folder} has its path in {labels_csv}")
    blasts = {code for code, blast in zip(scheme.codes, scheme.is_blast, strict=True) if blast}
    return cells, np.array([truth[path] in blasts for path in cells["path"].to_pylist()])


def _write_copy(model: Model, error_model: ErrorModel, out: Path) -> None:
    shutil.copytree(model.folder, out)
    card = model.card | {"error_model": error_model.to_card()}
    write_whole(out / "card.toml", lambda path: path.write_text(tomli_w.dumps(card), "utf-8"))
