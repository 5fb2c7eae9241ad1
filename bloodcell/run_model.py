"""The model that a run was scored with, where it lies still."""

import os
from pathlib import Path

from bloodcell.engine.names import bytes_of
from bloodcell.errors import ModelError
from bloodcell.model import Model, load_model
from bloodcell.run import Run


def model_of(run: Run) -> Model:
    """The model that ``run`` was scored with; ModelError if it is gone or another one now."""
    model = load_model(Path(os.fsdecode(bytes_of(run.record.model_folder))))
    expected = run.record.job.model_sha256
    if model.weights_sha256 != expected:
        raise ModelError(
            f"{model.folder} holds another network than the run was scored with: SHA-256 "
            f"{model.weights_sha256}, the run says {expected}. Score again with this one"
        )
    return model


def counted_model_of(run: Run) -> Model:
    """The same, with its scheme as the run counted; raises as ``model_of`` does."""
    job = run.record.job
    return model_of(run).counted_as(job.profile, job.blast_equivalents)
