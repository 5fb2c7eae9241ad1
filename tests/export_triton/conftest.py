"""Fixtures: a repository of the shipped model, and Triton's own schema of configurations."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest

import bloodcell
from bloodcell.triton import Options, export_triton


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("triton") / "repository"
    export_triton("jhu18-differential-160", folder, Options())
    return folder


@pytest.fixture(scope="session")
def schema() -> ModuleType:
    """``model_config.proto``, compiled, as Triton's own client brings it.

    By its file, for the package around it wants gRPC, too.
    """
    package = importlib.util.find_spec("tritonclient")
    assert package is not None
    assert package.submodule_search_locations is not None
    (folder,) = package.submodule_search_locations
    path = Path(folder) / "grpc" / "model_config_pb2.py"
    spec = importlib.util.spec_from_file_location("model_config_pb2", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules.setdefault(spec.name, importlib.util.module_from_spec(spec))
    if not hasattr(module, "DESCRIPTOR"):
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def scored(
    smears: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[Path, npt.NDArray[np.float32]]:
    """Path and probabilities of each drawn cell, by ``score`` with ONNX Runtime."""
    out = tmp_path_factory.mktemp("by_score") / "run"
    cells = bloodcell.score(smears, out, backend="onnxruntime").cells(["path", "probabilities"])
    return {
        smears / cell["path"]: np.array(cell["probabilities"], np.float32)
        for cell in cells.to_pylist()
    }
