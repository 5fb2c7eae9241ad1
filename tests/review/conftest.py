"""A run to be reviewed."""

import shutil
from pathlib import Path

import pytest
from helpers.reviews import planned

import bloodcell


@pytest.fixture(scope="module")
def demanding_run(smears: Path, tmp_path_factory: pytest.TempPathFactory) -> bloodcell.Run:
    """A run of the drawn cells whose intervals are all too wide: each patient has cells planned."""
    return bloodcell.score(smears, tmp_path_factory.mktemp("demanding") / "run", interval_width=0.1)


@pytest.fixture
def own_run(demanding_run: bloodcell.Run, tmp_path: Path) -> bloodcell.Run:
    """A copy of it, with a plan of at most six cells a patient."""
    return planned(bloodcell.open_run(shutil.copytree(demanding_run.folder, tmp_path / "run")))
