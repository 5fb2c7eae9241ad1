"""Cells in an object store, also an unsteady one, are scored to the same bytes as from a disk."""

import csv
import shutil
from pathlib import Path

import pytest
from helpers.drawn_runs import CELLS, digests, state
from helpers.object_stores import Store
from helpers.tar_shards import pack

import bloodcell
from bloodcell.errors import Stopped
from bloodcell.verification import verify

pytestmark = pytest.mark.usefixtures("small_parts")


@pytest.fixture(scope="module")
def url(_served: Store, smears: Path) -> str:
    return _served.put_tree(smears, "scored-smears")


def score(source: str | Path, out: Path, **options: object) -> bloodcell.Run:
    return bloodcell.score(source, out, batch_size=4, threads=1, **options)  # type: ignore[arg-type]


def test_a_folder_scores_to_the_same_bytes(
    store: Store, url: str, run: bloodcell.Run, tmp_path: Path
) -> None:
    there = score(url, tmp_path / "run")
    assert digests(there.folder) == digests(run.folder)
    assert there.record.job.input == url
    images = "report/images/00001.js"
    assert (there.folder / images).read_bytes().splitlines()[1:-1] == (
        (run.folder / images).read_bytes().splitlines()[1:-1]
    )
    # Each cell once for the network and once for the report.
    assert store.proxy.requests["range"] == 2 * CELLS
    found = {one.what: one for one in verify(there.folder, lambda *_: None)}
    assert found["images"].good, found["images"].says


def test_from_a_store_that_fails_now_and_then_the_end_is_the_same(
    store: Store, url: str, run: bloodcell.Run, tmp_path: Path
) -> None:
    store.proxy.unsteady(0.2)
    assert digests(score(url, tmp_path / "run").folder) == digests(run.folder)
    assert set(store.proxy.spoiled) == {"throttled", "broken", "cut", "short"}


def test_shards_score_to_the_same_bytes(store: Store, smears: Path, tmp_path: Path) -> None:
    members = {
        path.relative_to(smears).as_posix(): path.read_bytes()
        for path in sorted(smears.glob("*/*"))
    }
    pack(tmp_path / "shards" / "smears.tar", members)
    there = store.put_tree(tmp_path / "shards", "shards")
    on_disk = digests(score(tmp_path / "shards", tmp_path / "disk").folder)
    store.proxy.steady()
    assert digests(score(there, tmp_path / "store").folder) == on_disk
    # Members that follow one another are one request.
    assert store.proxy.requests["range"] < CELLS


def test_a_manifest_scores_to_the_same_bytes_and_a_missing_object_is_one_rejected_cell(
    store: Store, smears: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "set"
    first = shutil.copytree(smears / "phantom-000", folder / "a b")
    names = sorted(path.name for path in first.iterdir())[:8]
    (first / names[0]).rename(first / "ü+%#.jpg")
    rows = [("path", "patient"), ("a b/none.jpg", "p"), ("a b/ü+%#.jpg", "p")]
    rows += [(f"a b/{name}", "p") for name in names[1:]]
    with (folder / "cells.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    there = store.put_tree(folder, "set")
    from_store = score(f"{there}/cells.csv", tmp_path / "store")
    on_disk = score(folder / "cells.csv", tmp_path / "disk")
    assert from_store.record.counts.rejected == {"missing": 1}
    assert digests(from_store.folder) == digests(on_disk.folder)


def test_a_store_that_goes_away_stops_the_run_and_the_same_command_ends_it(
    store: Store, url: str, run: bloodcell.Run, tmp_path: Path
) -> None:
    def go_away(done: int, _: int) -> None:
        store.proxy.is_down |= 20 < done < CELLS

    with pytest.raises(
        Stopped, match=r"^stopped: s3://[^\n]*run the same command again"
    ) as stopped:
        score(url, tmp_path / "run", progress=go_away)
    assert stopped.value.exit_status == 4
    assert state(tmp_path / "run") == "stopped"
    store.proxy.is_down = False
    assert digests(score(url, tmp_path / "run").folder) == digests(run.folder)
