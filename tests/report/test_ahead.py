"""A report is written while a run is scored, and is the same for it."""

import shutil
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.drawn_runs import CELLS
from helpers.tar_shards import pack

import bloodcell
from bloodcell import scoring
from bloodcell.errors import DiskError, Stopped
from bloodcell.report import ahead, write_report, writing
from bloodcell.report.images import ImagePack
from bloodcell.review.planned import plan_path
from bloodcell.run import Run

pytestmark = pytest.mark.usefixtures("small_parts")


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files of images that were there when all was scored."""
    names: list[str] = []

    def noting(run: Run, **options: object) -> None:
        names.extend(sorted(path.name for path in (run.folder / "report" / "images").iterdir()))
        write_report(run, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(scoring, "write_report", noting)
    return names


def contents(run: Run) -> dict[str, bytes]:
    files = [*(run.folder / "report").rglob("*.*"), plan_path(run)]
    return {str(path.relative_to(run.folder)): path.read_bytes() for path in files}


def written_at_the_end(run: Run) -> dict[str, bytes]:
    shutil.rmtree(run.folder / "report")
    plan_path(run).unlink()
    write_report(run)
    return contents(run)


def test_a_report_that_was_begun_while_cells_were_scored_has_the_same_bytes(
    smears: Path, tmp_path: Path, there: list[str]
) -> None:
    run = bloodcell.score(smears, tmp_path / "run", interval_width=0.1)
    assert there == ["00001.js", "00002.js", "00003.js"]
    assert contents(run) == written_at_the_end(run)


def test_so_has_one_of_a_run_that_was_stopped(
    smears: Path, tmp_path: Path, there: list[str]
) -> None:
    stop = threading.Event()
    with pytest.raises(Stopped):
        bloodcell.score(
            smears, tmp_path / "run", batch_size=4, stop=stop,
            progress=lambda done, _cells: stop.set() if done > CELLS // 2 else None,
        )  # fmt: skip
    assert there == []
    run = bloodcell.score(smears, tmp_path / "run")
    assert there == ["00001.js", "00002.js", "00003.js"]
    assert contents(run) == written_at_the_end(run)


def test_images_of_shards_are_written_ahead_too(
    smears: Path, tmp_path: Path, there: list[str]
) -> None:
    files = sorted(smears.glob("*/*"))
    pack(tmp_path / "in.tar", {str(one.relative_to(smears)): one.read_bytes() for one in files})
    run = bloodcell.score(tmp_path / "in.tar", tmp_path / "run")
    assert there == ["00001.js", "00002.js", "00003.js"]
    assert contents(run) == written_at_the_end(run)


def test_pages_are_made_ahead_but_for_what_only_the_end_says(
    smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, *_ = sorted(path for path in smears.iterdir() if path.is_dir())
    shutil.copytree(smears, tmp_path / "in")
    image = next(first.iterdir())
    shutil.copy(image, tmp_path / "in" / second.name / f"again{image.suffix}")
    with monkeypatch.context() as context:
        context.delattr(writing, "patient_page")
        run = bloodcell.score(tmp_path / "in", tmp_path / "run")
    made_ahead = contents(run)
    assert made_ahead == written_at_the_end(run)
    pages = [made_ahead[f"report/patients/0000{number}.html"].decode() for number in (1, 2, 3)]
    assert ["The same image twice" in page for page in pages] == [True, True, False]


def mixed(smears: Path, target: Path) -> Path:
    """A manifest in which the patients take turns, so that none is whole before the last part."""
    paths = sorted(map(str, smears.glob("*/*")))
    table = pa.table({"path": paths, "patient": [f"p{row % 3}" for row in range(len(paths))]})
    pq.write_table(table, target)
    return target


@pytest.mark.parametrize(("most_waiting", "images_ahead"), [(1000, 3), (20, 0)])
def test_patients_that_are_mixed_wait_up_to_a_bound(
    smears: Path, tmp_path: Path, there: list[str], monkeypatch: pytest.MonkeyPatch,
    most_waiting: int, images_ahead: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(ahead, "_MOST_WAITING", most_waiting)
    run = bloodcell.score(mixed(smears, tmp_path / "mixed.parquet"), tmp_path / "run")
    assert len(there) == images_ahead
    assert contents(run) == written_at_the_end(run)


def test_a_disk_that_is_full_meanwhile_is_said_when_all_cells_are_scored(
    smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise DiskError("cannot write images: no space left on device")

    monkeypatch.setattr(ImagePack, "write", full)
    with pytest.raises(DiskError, match="no space left"):
        bloodcell.score(smears, tmp_path / "run")
    assert len(list((tmp_path / "run" / "cells").iterdir())) == 5
    assert (tmp_path / "run" / "patients.parquet").is_file()
