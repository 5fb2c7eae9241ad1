"""Fixtures for all tests.

What they need is imported in them: on a bare GPU machine `make gpu-check` loads this file too.
"""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path

import pytest

import bloodcell
from bloodcell.engine.backends.cuda import why_no_cuda


def pytest_configure() -> None:
    """Programs that tests start heed Ctrl-C, though a shell in the background has it ignored."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with suppress(ImportError):  # on a bare GPU machine
        from hypothesis import settings

        # A busy machine may take a second for an example.
        settings.register_profile("patient", deadline=None)
        settings.load_profile("patient")


LONGEST_FIRST = [
    "scoring/test_real_data.py", "embedding/test_examples.py", "ray/", "faults/",
    "privacy/test_nothing_leaves_the_machine.py", "training/test_shares_by_others.py",
    "report/test_real_review.py", "object_stores/", "bench/", "scoring/", "embedding/",
]  # fmt: skip
"""Where processes share the tests, none is left with one of these when the others are done."""


def place_of(item: pytest.Item) -> int:
    path = os.path.relpath(item.path, Path(__file__).parent)
    starts = (place for place, start in enumerate(LONGEST_FIRST) if path.startswith(start))
    return next(starts, len(LONGEST_FIRST))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Longest first; skip what is marked ``gpu`` where there is none, and say why."""
    items.sort(key=place_of)
    why_not = why_no_cuda()
    for item in items:
        if why_not and item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason=f"needs a CUDA GPU: {why_not}"))


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
def strace() -> str:
    """The program strace; skipped where there is none, required where CI=true."""
    path = shutil.which("strace")
    if path is None and os.environ.get("CI") != "true":
        pytest.skip("strace is not installed")
    assert path, "strace is not installed"
    return path


@pytest.fixture(scope="session")
def smears(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three drawn patients of 24 cells in every format and size; with labels.csv."""
    from bloodcell.phantom import write_phantoms

    folder = tmp_path_factory.mktemp("drawn") / "smears"
    write_phantoms(folder, patients=3, cells=24, image_format="mixed", seed=5)
    return folder


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 16 cells, so that the 72 drawn ones make five."""
    from helpers.drawn_runs import ROWS_PER_PART

    from bloodcell import scoring

    monkeypatch.setattr(scoring, "ROWS_PER_PART", ROWS_PER_PART)


@pytest.fixture(scope="session")
def run(smears: Path, tmp_path_factory: pytest.TempPathFactory) -> bloodcell.Run:
    """A run over the drawn smears, in small parts, that nothing disturbed."""
    from helpers.drawn_runs import scored_in_small_parts

    return scored_in_small_parts(smears, tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="session")
def drawn_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The earlier model without the table that tells drawn cells from those it learnt from."""
    from helpers.drawn_runs import model_for_drawn_cells

    return model_for_drawn_cells(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def adjusted_run(
    smears: Path, drawn_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> bloodcell.Run:
    """As ``run``, by a network that takes drawn cells for real: some shares are adjusted."""
    from helpers.drawn_runs import scored_in_small_parts

    return scored_in_small_parts(smears, tmp_path_factory.mktemp("adjusted") / "run", drawn_model)


@pytest.fixture(scope="session")
def demanding_run(
    smears: Path, drawn_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> bloodcell.Run:
    """A run of the drawn cells whose intervals are all too wide: each patient has cells planned."""
    out = tmp_path_factory.mktemp("demanding") / "run"
    return bloodcell.score(smears, out, drawn_model, "onnxruntime", interval_width=0.1)


@pytest.fixture
def pretended_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """A stand-in for CUDA, CuPy and TensorRT; gives the batches that plans were built for."""
    import sys

    from helpers import fake_gpu

    from bloodcell.engine.backends.cuda import Device
    from bloodcell.engine.backends.tensorrt import plan, runtime
    from bloodcell.engine.backends.tensorrt.builder import Built

    built: list[int] = []

    def build_plan(*arguments: object, largest_batch: int, **_: object) -> Built:
        built.append(largest_batch)
        return Built(arguments[1], b"")  # type: ignore[arg-type]

    monkeypatch.setitem(sys.modules, "cupy", fake_gpu.fake_cupy())
    monkeypatch.setitem(sys.modules, "cupyx", fake_gpu.fake_cupyx())
    monkeypatch.setitem(sys.modules, "tensorrt", fake_gpu.fake_tensorrt())
    monkeypatch.setattr(runtime, "why_no_cuda", lambda: None)
    monkeypatch.setattr(runtime, "first_device", lambda: Device("pretended", "9.0", "0", "13.0"))
    monkeypatch.setattr(plan, "build_plan", build_plan)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return built
