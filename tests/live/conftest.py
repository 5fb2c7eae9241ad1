"""Fixtures of the tests of ``Engine``: a network that takes no time, and drawn cells in memory."""

from pathlib import Path
from typing import Any

import pytest
from helpers.live_cells import HeldLane, held_lanes
from helpers.tiny_model import write_tiny_model

import bloodcell
from bloodcell.live import engine as live_engine


@pytest.fixture
def lane(monkeypatch: pytest.MonkeyPatch) -> HeldLane:
    """One lane of batches of four that scores nothing until it may."""
    held = HeldLane()
    monkeypatch.setattr(live_engine, "open_lanes", held_lanes(held))
    return held


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of a network that computes nothing to speak of."""
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny", "jhu18")


@pytest.fixture(scope="session")
def tiny_run(smears: Path, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> bloodcell.Run:
    """``score``'s own run of the drawn cells with that network."""
    out = tmp_path_factory.mktemp("tiny") / "run"
    return bloodcell.score(smears, out, model=tiny, backend="onnxruntime")


@pytest.fixture(scope="session")
def cells(smears: Path, tiny_run: bloodcell.Run) -> list[dict[str, Any]]:
    """Rows of that run's ``cells/``, each with the image's bytes as ``image``."""
    rows = tiny_run.cells().to_pylist()
    return [row | {"image": (smears / row.pop("path")).read_bytes()} for row in rows]
