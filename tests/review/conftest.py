"""A run to be reviewed."""

import shutil
from pathlib import Path

import pytest
from helpers.reviews import planned

import bloodcell


@pytest.fixture
def own_run(run: bloodcell.Run, tmp_path: Path) -> bloodcell.Run:
    """A copy of the drawn run, with a plan of six cells a patient."""
    return planned(bloodcell.open_run(shutil.copytree(run.folder, tmp_path / "run")))
