"""A run to be reviewed."""

import shutil
from pathlib import Path

import pytest
from helpers.reviews import planned

import bloodcell


@pytest.fixture(scope="session")
def run(adjusted_run: bloodcell.Run) -> bloodcell.Run:
    return adjusted_run


@pytest.fixture
def own_run(demanding_run: bloodcell.Run, tmp_path: Path) -> bloodcell.Run:
    """A copy of it, with a plan of at most six cells a patient."""
    return planned(bloodcell.open_run(shutil.copytree(demanding_run.folder, tmp_path / "run")))
