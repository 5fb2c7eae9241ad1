"""Fixtures of the tests of `bloodcell serve`: a server with a network that takes no time."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.served_engine import ServedEngine
from helpers.tiny_model import write_tiny_model

import bloodcell


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of a network that computes nothing to speak of."""
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny", "pbc8")


@pytest.fixture(scope="session")
def scored(smears: Path, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> bloodcell.Run:
    """``score``'s own run of the drawn cells with that network."""
    out = tmp_path_factory.mktemp("scored") / "run"
    return bloodcell.score(smears, out, model=tiny, backend="onnxruntime")


@pytest.fixture(scope="session")
def cells(smears: Path, scored: bloodcell.Run) -> list[dict[str, Any]]:
    """Rows of that run's ``cells/``, each with the image's bytes as ``image``."""
    rows = scored.cells().to_pylist()
    return [row | {"image": (smears / row.pop("path")).read_bytes()} for row in rows]


@pytest.fixture(scope="session")
def served(tiny: Path) -> Iterator[ServedEngine]:
    """A server that scores at once."""
    server = ServedEngine("--model", tiny, "--backend", "onnxruntime")
    yield server
    status, _, said = server.ended(signal.SIGINT)
    assert status == 0
    assert "Traceback" not in said
    assert " at " not in said, "whatever was asked of it, nothing failed in it"


@pytest.fixture(scope="session")
def waiting(tiny: Path) -> Iterator[ServedEngine]:
    """A server in which two cells wait for a third longer than any test; for more is no room."""
    limits = ("--max-waiting", "3", "--max-delay-ms", "600000")
    server = ServedEngine("--model", tiny, "--backend", "torch", *limits)
    yield server
    server.kill()
