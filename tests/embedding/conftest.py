"""The library, built and installed once a session."""

import os
from pathlib import Path

import pytest
from helpers.embedded import SANITIZED, SANITIZED_OPTIONS, EmbeddedModel, Library, installed
from helpers.tiny_model import write_tiny_model

from bloodcell.paths import model_folder


def shared_folder(factory: pytest.TempPathFactory, name: str) -> Path:
    """The same for all processes of pytest-xdist."""
    base = factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name


@pytest.fixture(scope="session")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = shared_folder(tmp_path_factory, "libbloodcell")
    return installed(folder, folder / "build")


@pytest.fixture(scope="session")
def sanitized_prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = shared_folder(tmp_path_factory, "libbloodcell-sanitized")
    return installed(folder, SANITIZED, *SANITIZED_OPTIONS)


@pytest.fixture(scope="session")
def library(prefix: Path) -> Library:
    return Library(prefix)


@pytest.fixture(scope="session")
def model(library: Library) -> EmbeddedModel:
    """The default model."""
    return library.open(model_folder(None))


@pytest.fixture(scope="session")
def tiny(library: Library, tmp_path_factory: pytest.TempPathFactory) -> EmbeddedModel:
    """A model of a network that computes nothing to speak of."""
    return library.open(write_tiny_model(tmp_path_factory.mktemp("tiny") / "m", "jhu18"))
