"""Fixtures for all tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images; skipped where there is none, required where CI=true."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("BLOODCELL_DATA", beside))
    if folder.is_dir():
        return folder
    message = f"no real images: neither $BLOODCELL_DATA nor {beside} is a folder"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def smears(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three drawn patients of 24 cells in every format and size; with labels.csv."""
    from bloodcell.phantom import write_phantoms

    folder = tmp_path_factory.mktemp("drawn") / "smears"
    write_phantoms(folder, patients=3, cells=24, image_format="mixed", seed=5)
    return folder
