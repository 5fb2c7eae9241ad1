"""Which training a folder's checkpoints belong to."""

from pathlib import Path
from typing import Any

import torch

from bloodcell.errors import InputError

CHECKPOINT = "checkpoint.pt"


def check_folder(folder: Path, job: dict[str, Any]) -> None:
    """InputError if the checkpoints in ``folder`` and below are of another training than ``job``.

    All are of one, so that one is read, and of that no weights.
    """
    for path in folder.glob(f"**/{CHECKPOINT}"):
        state = torch.load(path, weights_only=True, map_location="cpu", mmap=True)
        check_job(path, state["job"], job)
        return


def check_job(path: Path, stored: dict[str, Any], job: dict[str, Any]) -> None:
    """InputError if the job ``stored`` in the checkpoint ``path`` is another one than ``job``."""
    if _identity(stored) != _identity(job):
        # With other folds, patients held out now may have been trained on before.
        raise InputError(
            f"{path} belongs to a training by another recipe, scheme or labels: choose a new --out"
        )


def _identity(job: dict[str, Any]) -> dict[str, Any]:
    """Without the sources' texts for the card, which change no weight."""
    sources = [
        {name: entry for name, entry in source.items() if name != "data"}
        for source in job.get("source", ())
    ]
    return job | {"source": sources}
