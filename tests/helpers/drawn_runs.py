"""What the tests of runs share: five small parts, digests, states."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import tomli_w

import bloodcell
from bloodcell import scoring
from bloodcell.errors import ModelError
from bloodcell.model import load_model
from bloodcell.toml import read_toml

EARLIER_MODEL = "jhu18-resnext26-160"
"""The default before: it calls most of the drawn cells leukocytes."""

CELLS = 72
ROWS_PER_PART = 16
"""Five parts instead of one."""


def scored_in_small_parts(source: Path, out: Path, model: Path | None = None) -> bloodcell.Run:
    """The run of the 72 drawn cells in five parts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "ROWS_PER_PART", ROWS_PER_PART)
        return bloodcell.score(source, out, model)


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


def model_for_drawn_cells(folder: Path, name: str = EARLIER_MODEL) -> Path:
    """A shipped model without ``[smears]``: it takes drawn cells for such as it learnt from.

    By the earlier one there are shares to look at, for it calls most of them leukocytes.
    """
    model = Path(shutil.copytree(load_model(name).folder, folder / "model"))
    card = read_toml(model / "card.toml", ModelError)
    del card["smears"]
    (model / "card.toml").write_text(tomli_w.dumps(card), "utf-8")
    return model
