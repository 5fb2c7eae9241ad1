"""What the tests of runs share: five small parts, digests, states."""

import hashlib
import json
import shutil
from pathlib import Path

from bloodcell.model import load_model

CELLS = 72
ROWS_PER_PART = 16
"""Five parts instead of one."""


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each file that must not depend on how a run was done."""
    files = [*sorted((folder / "cells").iterdir()), folder / "patients.parquet"]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def state(folder: Path) -> str:
    return str(json.loads((folder / "run.json").read_text())["state"])


def copy_of_model(folder: Path) -> Path:
    """The default model, in a folder that a test may spoil."""
    shutil.copytree(load_model().folder, folder / "model")
    return folder / "model"
