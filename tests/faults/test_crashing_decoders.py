"""Images that end the decoder, or never return from it, cost themselves alone."""

import shutil
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from faults.mutated_images import ends
from helpers.drawn_runs import CELLS, digests
from helpers.marked_images import mark_images, obey_marks, rejected, without
from helpers.tiny_model import write_tiny_model
from helpers.worker_processes import workers as worker_processes

import bloodcell
from bloodcell import _core
from bloodcell.audit import read_audit
from bloodcell.errors import EngineError, Stopped
from bloodcell.verification import verify

pytestmark = pytest.mark.usefixtures("small_parts")

IN_ONE_BATCH = {8: "segmentation fault", 9: "abort", 11: "kill"}
IN_SEVERAL = {0: "exit", 30: "hang", 41: "no threads", CELLS - 1: "error"}


@pytest.fixture(scope="module")
def score(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bloodcell.Run]:
    """Scores by a small network: a worker starts in half the time."""
    model = write_tiny_model(tmp_path_factory.mktemp("tiny") / "model", "pbc8")
    return partial(bloodcell.score, model=model, backend="onnxruntime")


@pytest.fixture
def run(smears: Path, tmp_path: Path, score: Callable[..., bloodcell.Run]) -> bloodcell.Run:
    """What nothing disturbed."""
    return score(smears, tmp_path / "undisturbed")


@pytest.fixture
def copies(smears: Path, tmp_path: Path) -> Path:
    """The drawn smears, to be marked; a run's bytes do not depend on where they lie."""
    return shutil.copytree(smears, tmp_path / "copies")


def assert_costs_only(marked: dict[int, str], disturbed: bloodcell.Run, run: bloodcell.Run) -> None:
    cells = disturbed.cells()
    assert rejected(disturbed) == dict.fromkeys(marked, "crashed_decoder")
    rows = list(marked)
    assert without(cells, rows).equals(without(run.cells(), rows))
    images = [Path(disturbed.record.job.input, path) for path in cells["path"].to_pylist()]
    assert cells["digest"].to_pylist() == [_core.digest(path.read_bytes()) for path in images]
    counts = disturbed.about
    assert counts["rejected"] == {"crashed_decoder": len(marked)}
    assert counts["scored"] + len(marked) == counts["cells"] == CELLS


@pytest.mark.parametrize(
    ("workers", "marked", "said"),
    [
        (1, IN_ONE_BATCH, ("by signal 11", "by signal 6 (free(): invalid pointer)", "by signal 9")),
        (3, IN_SEVERAL, ("with status 7", "in a call that did not return", "the GPU is lost")),
    ],
)
def test_whatever_they_do_only_they_are_rejected(
    copies: Path,
    score: Callable[..., bloodcell.Run],
    run: bloodcell.Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    workers: int,
    marked: dict[int, str],
    said: tuple[str, ...],
) -> None:
    mark_images(copies, marked)
    obey_marks(monkeypatch, tmp_path / "site")
    disturbed = score(copies, tmp_path / "run", batch_size=5, workers=workers)
    assert_costs_only(marked, disturbed, run)
    assert [how for how in said if how not in caplog.text] == []
    assert worker_processes() == []
    log = list(read_audit(disturbed.folder / "audit.jsonl"))
    assert {one["row"] for one in log if one["event"] == "blame"} == marked.keys()
    whys = [one["why"] for one in log if one["event"] == "restart"]
    assert len(whys) >= 2 * len(marked)
    assert [how for how in said if not any(how in why for why in whys)] == []
    assert all(one.good for one in verify(disturbed.folder))


def test_an_image_that_ends_a_later_ones_worker_costs_no_innocent_cell(
    copies: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    score: Callable[..., bloodcell.Run],
) -> None:
    mark_images(copies, {20: "damage the heap"})
    run = score(copies, tmp_path / "undisturbed")
    obey_marks(monkeypatch, tmp_path / "site")
    score(copies, tmp_path / "run", batch_size=5)
    assert digests(tmp_path / "run") == digests(run.folder)


def test_a_machine_without_memory_ends_the_run_and_blames_no_cell(
    copies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, score: Callable[..., object]
) -> None:
    mark_images(copies, dict.fromkeys(range(CELLS), "no threads"))
    obey_marks(monkeypatch, tmp_path / "site")
    with pytest.raises(EngineError, match=r"no worker is left.*unavailable.*ulimit -v"):
        score(copies, tmp_path / "run", batch_size=5, workers=2)
    assert worker_processes() == []
    log = list(read_audit(tmp_path / "run" / "audit.jsonl"))
    assert [one for one in log if one["event"] == "blame"] == []
    assert len([one for one in log if one["event"] == "restart"]) <= 6


def test_a_resumed_run_rejects_them_too(
    copies: Path,
    run: bloodcell.Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    score: Callable[..., bloodcell.Run],
) -> None:
    mark_images(copies, {50: "abort"})
    obey_marks(monkeypatch, tmp_path / "site")
    stop = threading.Event()

    def stop_at_once(_done: int, _cells: int) -> None:
        stop.set()

    with pytest.raises(Stopped):
        score(copies, tmp_path / "run", batch_size=16, stop=stop, progress=stop_at_once)
    assert_costs_only({50: "abort"}, score(copies, tmp_path / "run"), run)


def test_a_decoder_that_ends_at_every_image_ends_the_run(
    copies: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    score: Callable[..., bloodcell.Run],
) -> None:
    from bloodcell.engine import workers

    monkeypatch.setattr(workers, "_MOST_LOSSES", 4)
    mark_images(copies, dict.fromkeys(range(CELLS), "abort"))
    obey_marks(monkeypatch, tmp_path / "site")
    said = r"4 workers ended and scored no cell between, the last one: worker 0 ended by signal 6"
    with pytest.raises(EngineError, match=said):
        score(copies, tmp_path / "run", batch_size=5)
    assert list((tmp_path / "run" / "cells").iterdir()) == []


def test_workers_that_cannot_start_again_end_the_run(
    copies: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    score: Callable[..., bloodcell.Run],
) -> None:
    mark_images(copies, {8: "exit"})
    obey_marks(monkeypatch, tmp_path / "site")

    def spoil(_done: int, _cells: int) -> None:
        (tmp_path / "site" / "sitecustomize.py").write_text("import os; os._exit(9)")

    with pytest.raises(EngineError, match=r"no worker is left, the last one: .* with status 9"):
        score(copies, tmp_path / "run", batch_size=2, progress=spoil)


def test_one_that_hangs_is_not_waited_for_when_the_run_is_to_stop(
    copies: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    score: Callable[..., bloodcell.Run],
) -> None:
    mark_images(copies, {40: "hang"})
    obey_marks(monkeypatch, tmp_path / "site", patience_s=600)
    stop = threading.Event()

    def stop_when_it_hangs(done: int, _cells: int) -> None:
        # It may keep to itself what the two batches between these and the one that hangs came to.
        if done == 32:
            threading.Timer(1, stop.set).start()

    with pytest.raises(Stopped, match="stopped: 32 of 72 cells are finished"):
        score(
            copies, tmp_path / "run", batch_size=4, threads=1, stop=stop,
            progress=stop_when_it_hangs,
        )  # fmt: skip
    assert worker_processes() == []


@pytest.mark.real_data
def test_mutated_real_images_are_scored_or_rejected(real_data: Path, tmp_path: Path) -> None:
    came_to = ends(real_data, tmp_path, 240, seed=0)
    assert came_to.total() == 240
    assert came_to["scored"] > 20
    assert {"truncated", "corrupt"} < came_to.keys()
