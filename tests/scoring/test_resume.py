"""Runs that were stopped, killed, damaged or meant for another job."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from helpers.drawn_runs import CELLS, copy_of_model, digests, state
from helpers.local_scorer import LocalScorer

import bloodcell
from bloodcell import scoring
from bloodcell.engine import lanes
from bloodcell.engine.backends.contract import Choice, Network
from bloodcell.errors import BloodcellError, DiskError, EngineError, RunError, Stopped
from bloodcell.input import manifest
from bloodcell.input.listing import LeftOut
from bloodcell.review.planned import plan_path

pytestmark = pytest.mark.usefixtures("small_parts")


def test_a_finished_run_is_taken_up_without_scoring_again(
    smears: Path, run: bloodcell.Run, tmp_path: Path
) -> None:
    shutil.copytree(run.folder, tmp_path / "run")
    before = digests(tmp_path / "run")
    again = bloodcell.score(smears, tmp_path / "run")
    # No part was written, so the figures are still those of the run that scored.
    assert again.about["session"] == run.about["session"]
    assert digests(tmp_path / "run") == before


def test_a_stopped_run_continues_to_the_same_bytes(
    smears: Path, run: bloodcell.Run, tmp_path: Path
) -> None:
    stop = threading.Event()

    def stop_in_the_third_part(done: int, _cells: int) -> None:
        if done > 40:
            stop.set()

    with pytest.raises(Stopped, match="32 of 72 cells are finished and kept"):
        bloodcell.score(
            smears,
            tmp_path / "run",
            batch_size=5,
            threads=1,
            progress=stop_in_the_third_part,
            stop=stop,
        )
    assert state(tmp_path / "run") == "stopped"
    assert len(list((tmp_path / "run" / "cells").iterdir())) == 2
    with pytest.raises(RunError, match="is not done"):
        bloodcell.open_run(tmp_path / "run")
    again = bloodcell.score(smears, tmp_path / "run")
    assert again.about["session"]["cells"] == CELLS - 32
    assert digests(tmp_path / "run") == digests(run.folder)


def test_a_killed_run_continues_to_the_same_bytes(
    smears: Path, run: bloodcell.Run, tmp_path: Path
) -> None:
    program = f"""
import os, signal
from bloodcell import scoring
scoring.ROWS_PER_PART = 16
def kill(done, cells):
    if done > 40:
        os.kill(os.getpid(), signal.SIGKILL)
scoring.score({str(smears)!r}, {str(tmp_path / "run")!r}, batch_size=5, progress=kill)
"""
    killed = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    bloodcell.score(smears, tmp_path / "run")
    assert digests(tmp_path / "run") == digests(run.folder)


def test_another_job_is_refused(smears: Path, run: bloodcell.Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder, tmp_path / "run")
    same_names = tmp_path / "same_names"
    shutil.copytree(smears, same_names)
    with pytest.raises(RunError, match="another job: its input is"):
        bloodcell.score(same_names, tmp_path / "run")
    other = copy_of_model(tmp_path)
    card = other / "card.toml"
    card.write_text(card.read_text().replace('version = "', 'version = "0'))
    with pytest.raises(RunError, match="another job: its model_version"):
        bloodcell.score(smears, tmp_path / "run", model=other)
    with pytest.raises(RunError, match="already holds a run"):
        bloodcell.score(smears, tmp_path / "run", resume=False)


def test_an_input_that_has_changed_is_refused(smears: Path, tmp_path: Path) -> None:
    shutil.copytree(smears, tmp_path / "in")
    bloodcell.score(tmp_path / "in", tmp_path / "run")
    shutil.rmtree(tmp_path / "in" / "phantom-001")
    with pytest.raises(RunError, match="no longer lists the cells"):
        bloodcell.score(tmp_path / "in", tmp_path / "run")
    assert not list((tmp_path / "run").glob("*.new"))
    (tmp_path / "run" / "manifest.parquet").write_bytes(b"damaged")
    with pytest.raises(RunError, match=r"manifest\.parquet is missing or not the file"):
        bloodcell.score(tmp_path / "in", tmp_path / "run")


def test_parts_without_their_run_json_are_not_adopted(
    smears: Path, run: bloodcell.Run, tmp_path: Path
) -> None:
    shutil.copytree(run.folder / "cells", tmp_path / "run" / "cells")
    with pytest.raises(RunError, match=r"cells/part-00000\.parquet"):
        bloodcell.score(smears, tmp_path / "run")


@pytest.mark.parametrize(
    "left",
    [
        [],
        ["cells/"],
        [".lock", "cells/", "manifest.parquet"],
        ["cells/", "manifest.parquet", "run.json.new"],
        ["cells/", "manifest.parquet", "run.json.0a1b2c3d.new"],
        [".holder.0a1b2c3d.new", "manifest.parquet.0a1b2c3d.new", "cells/part-00000.parquet.new"],
    ],
)
def test_what_a_kill_leaves_before_there_is_a_run_json_is_taken_up(
    left: list[str], smears: Path, run: bloodcell.Run, tmp_path: Path
) -> None:
    for name in left:
        path = tmp_path / "run" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.write_bytes(b"half a fi")
    bloodcell.score(smears, tmp_path / "run")
    assert digests(tmp_path / "run") == digests(run.folder)
    assert not list((tmp_path / "run").rglob("*.new"))


def test_what_a_kill_leaves_later_is_cleared_away_and_users_files_are_not(
    smears: Path, run: bloodcell.Run, tmp_path: Path
) -> None:
    shutil.copytree(run.folder, tmp_path / "run")
    left = ["run.json.0a1b2c3d.new", "report/index.html.0a1b2c3d.new", "patients.csv.new"]
    left += ["report/images/00001.js.0a1b2c3d.new", "report/patients/00001.html.0a1b2c3d.new"]
    left += ["report/standing.js.0a1b2c3d.new", "export/patients.xlsx.0a1b2c3d.new"]
    left += ["evaluation/roc.svg.0a1b2c3d.new", "evaluation/doubts.csv.0a1b2c3d.new"]
    for folder in ("export", "evaluation"):
        (tmp_path / "run" / folder).mkdir()
    for name in [*left, "thesis.new", "cells/notes.new"]:
        (tmp_path / "run" / name).write_text("")
    bloodcell.score(smears, tmp_path / "run")
    names = sorted(path.name for path in (tmp_path / "run").rglob("*.new"))
    assert names == ["notes.new", "thesis.new"]


def test_a_users_file_beside_no_run_json_is_not_taken_for_what_a_kill_left(
    smears: Path, tmp_path: Path
) -> None:
    (tmp_path / "thesis.new").write_text("years of work")
    with pytest.raises(RunError, match=r"thesis\.new"):
        bloodcell.score(smears, tmp_path)


def test_a_clock_that_was_set_back_changes_nothing(
    smears: Path, run: bloodcell.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(run.folder, tmp_path / "run")
    (tmp_path / "run" / "cells" / "part-00004.parquet").unlink()
    monkeypatch.setattr(scoring, "now", lambda: "1970-01-01T00:00:00+00:00")
    assert bloodcell.score(smears, tmp_path / "run").record.finished < run.record.started
    assert digests(tmp_path / "run") == digests(run.folder)


def test_a_run_that_is_asked_to_stop_before_it_began_is_stopped(
    smears: Path, tmp_path: Path
) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped, match="before a cell was scored"):
        bloodcell.score(smears, tmp_path / "run", stop=stop)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("ends", [EngineError, Stopped])
def test_the_end_of_a_long_list_of_cells_is_not_waited_for(
    smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: type[BloodcellError]
) -> None:
    stop, listed = threading.Event(), threading.Event()
    batch = next(manifest.list_folder(smears, LeftOut()))

    def long(*_: object) -> Iterator[pa.RecordBatch]:
        for _ in range(100_000):
            yield batch
            listed.set()
        pytest.fail("it was listed to its end")

    def no_scorer(*_: object, **__: object) -> SimpleNamespace:
        assert listed.wait(20)
        if ends is EngineError:
            raise EngineError("there is none")
        stop.set()
        return SimpleNamespace(close=lambda: None)

    monkeypatch.setattr(manifest, "list_folder", long)
    monkeypatch.setattr(scoring, "_open", no_scorer)
    with pytest.raises(ends):
        bloodcell.score(smears, tmp_path / "run", stop=stop)
    assert not (tmp_path / "run").exists()


def test_a_run_json_of_another_tool_is_refused(smears: Path, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"a": 1}')
    with pytest.raises(RunError, match="is not of bloodcell"):
        bloodcell.score(smears, tmp_path)
    (tmp_path / "run.json").write_text("")
    with pytest.raises(RunError, match=r"run\.json is empty, .*: restore it from a copy"):
        bloodcell.score(smears, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_missing_parts_are_noticed_when_cells_are_read(run: bloodcell.Run, tmp_path: Path) -> None:
    # The name looks like a Hive partition, which must not become a column.
    folder = tmp_path / "patient=3"
    shutil.copytree(run.folder, folder)
    assert bloodcell.open_run(folder).cells().equals(run.cells())
    assert bloodcell.open_run(folder).patients.equals(run.patients)
    (folder / "cells" / "part-00001.parquet").unlink()
    with pytest.raises(RunError, match="holds 56 of its 72 cells"):
        bloodcell.open_run(folder).cells()


def test_logits_that_are_no_numbers_stop_the_run(
    smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = lanes.open_backend

    class Overflowing:
        """The real backend after its self-test; the last cell of each batch has no numbers."""

        def __init__(
            self, choice: Choice, network: Network, threads: int, calls: int, *, prompt: bool
        ) -> None:
            self._opened = real(choice, network, threads, calls, prompt=prompt)
            self.class_count = self._opened.class_count
            self.pass_cells = self._opened.pass_cells
            self.made_of = self._opened.made_of

        def probabilities(self, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            probabilities = self._opened.probabilities(pixels)
            probabilities[-1] = np.nan
            return probabilities

    monkeypatch.setattr(lanes, "open_backend", Overflowing)
    monkeypatch.setattr(scoring, "open_scorer", LocalScorer)
    with pytest.raises(bloodcell.ModelError, match=r"no numbers for rows \[15\]"):
        bloodcell.score(smears, tmp_path / "run", threads=1)
    assert list((tmp_path / "run" / "cells").iterdir()) == []


def test_a_damaged_part_is_named(smears: Path, run: bloodcell.Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder, tmp_path / "run")
    (tmp_path / "run" / "cells" / "part-00001.parquet").write_bytes(b"damaged")
    with pytest.raises(RunError, match=r"part-00001\.parquet cannot be read"):
        bloodcell.score(smears, tmp_path / "run")


def test_a_part_with_other_rows_is_named(smears: Path, run: bloodcell.Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder, tmp_path / "run")
    cells = tmp_path / "run" / "cells"
    shutil.copy(cells / "part-00004.parquet", cells / "part-00001.parquet")
    with pytest.raises(RunError, match=r"part-00001\.parquet does not hold the rows"):
        bloodcell.score(smears, tmp_path / "run")


def test_a_full_disk_keeps_what_is_finished(
    smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.write_bytes

    def full(where: Path, content: bytes) -> int:
        if "part-00002" in where.name:
            raise OSError(28, os.strerror(28))
        return real(where, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiskError, match=r"part-00002\.parquet: No space left on device"):
        bloodcell.score(smears, tmp_path / "run", threads=1)
    assert state(tmp_path / "run") == "failed"
    assert sorted(path.name for path in (tmp_path / "run" / "cells").iterdir()) == [
        "part-00000.parquet",
        "part-00001.parquet",
    ]


def test_results_that_were_counted_anew_get_a_plan_of_their_own(
    smears: Path, tmp_path: Path
) -> None:
    source = shutil.copytree(smears, tmp_path / "in")
    image = next((source / "phantom-000").glob("*.jpg"))
    image.rename(tmp_path / image.name)
    (source / "phantom-000" / image.name).touch()
    run = bloodcell.score(source, tmp_path / "run")
    first = plan_path(run).read_bytes()
    bloodcell.score(source, tmp_path / "run")
    assert plan_path(run).read_bytes() == first
    (tmp_path / image.name).rename(source / "phantom-000" / image.name)
    bloodcell.score(source, tmp_path / "run", retry_rejected=True)
    assert plan_path(run).read_bytes() != first
