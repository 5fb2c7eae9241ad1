"""Fixtures of the pages' tests."""

import shutil
from pathlib import Path

import pytest
from helpers.pages import code
from helpers.tiny_model import write_tiny_model

from bloodcell import scheme


@pytest.fixture
def cells(smears: Path, tmp_path: Path) -> Path:
    """One drawn patient of 24 cells."""
    patient = min(path for path in smears.iterdir() if path.is_dir())
    shutil.copytree(patient, tmp_path / "cells" / patient.name)
    return tmp_path / "cells"


@pytest.fixture
def documented_scheme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The scheme of the page about schemes, beside the shipped ones; its name."""
    schemes = tmp_path / "schemes"
    shutil.copytree(scheme._FOLDER, schemes)
    (source,) = code("adding-a-scheme.md", "toml")
    (schemes / "lab5.toml").write_text(source, encoding="utf-8")
    monkeypatch.setattr(scheme, "_FOLDER", schemes)
    return "lab5"


@pytest.fixture
def model(documented_scheme: str, tmp_path: Path) -> Path:
    """A model folder of that scheme."""
    return write_tiny_model(tmp_path / "model", documented_scheme)
