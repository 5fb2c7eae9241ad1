"""Tar shards scored: the same answers as from folders, and every cell accounted for."""

import os
import resource
import tarfile
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
from helpers.drawn_runs import CELLS, digests
from helpers.tar_shards import Members, header, pack

import bloodcell
from bloodcell import _core
from bloodcell.errors import EngineError, RunError, Stopped
from bloodcell.evaluation import evaluate
from bloodcell.labels import read_labels


def images_of(smears: Path) -> Members:
    """Every drawn image by its path below ``smears``, patients mixed."""
    paths = sorted(smears.glob("*/*"), key=lambda path: path.name)
    return {str(path.relative_to(smears)): path.read_bytes() for path in paths}


def pack_night(smears: Path, folder: Path) -> Path:
    """The drawn patients in three shards, each patient in all of them, with sidecars."""
    images = list(images_of(smears).items())
    for number in range(3):
        members: Members = {"./": header(tarfile.DIRTYPE)}
        for name, content in images[number::3]:
            members |= {f"./{name}": content, f"./{Path(name).with_suffix('.cls')}": b"3"}
        pack(folder / f"night-{number}.tar", members)
    (folder / "labels.csv").write_text("path,class\n")
    return folder


@pytest.fixture(scope="module")
def night(smears: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack_night(smears, tmp_path_factory.mktemp("shards") / "night")


@pytest.fixture(scope="module")
def night_run(night: Path, tmp_path_factory: pytest.TempPathFactory) -> bloodcell.Run:
    from helpers.drawn_runs import scored_in_small_parts

    return scored_in_small_parts(night, tmp_path_factory.mktemp("runs") / "run")


# --- scoring


def by_member(run: bloodcell.Run, *, in_shards: bool) -> dict[str, object]:
    cells = run.cells(["path", "patient", "class", "probabilities"]).to_pylist()
    return {
        cell.pop("path").split("/", 1)[1] if in_shards else cell.pop("path"): cell for cell in cells
    }


def test_shards_give_what_the_folder_gives(run: bloodcell.Run, night_run: bloodcell.Run) -> None:
    assert by_member(night_run, in_shards=True) == by_member(run, in_shards=False)
    assert digests(night_run.folder)["patients.parquet"] == digests(run.folder)["patients.parquet"]
    assert night_run.cells().schema == run.cells().schema
    assert night_run.about["scored"] == CELLS


def test_the_manifest_says_where_the_bytes_lie(
    smears: Path, night: Path, night_run: bloodcell.Run
) -> None:
    rows = pq.read_table(night_run.folder / "manifest.parquet").to_pylist()
    assert [row["row"] for row in rows] == list(range(CELLS))
    for row in rows:
        shard, member = row["path"].split("/", 1)
        assert shard == row["shard"]
        begin, end = row["byte_offset"], row["byte_offset"] + row["byte_count"]
        assert (night / shard).read_bytes()[begin:end] == (smears / member).read_bytes()


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("batch_size", [1, 7, 500])
def test_batch_size_changes_no_byte(
    night: Path, night_run: bloodcell.Run, tmp_path: Path, batch_size: int
) -> None:
    bloodcell.score(night, tmp_path / "run", batch_size=batch_size)
    assert digests(tmp_path / "run") == digests(night_run.folder)


@pytest.mark.usefixtures("small_parts")
def test_a_stopped_run_continues_and_a_changed_shard_is_refused(
    smears: Path, night_run: bloodcell.Run, tmp_path: Path
) -> None:
    night = pack_night(smears, tmp_path / "night")
    stop = threading.Event()
    with pytest.raises(Stopped):
        bloodcell.score(
            night, tmp_path / "run", progress=lambda done, _: done > 40 and stop.set(), stop=stop
        )
    bloodcell.score(night, tmp_path / "run")
    assert digests(tmp_path / "run") == digests(night_run.folder)
    pack(night / "night-1.tar", {"p/1.jpg": b"another"})
    with pytest.raises(RunError, match="no longer lists the cells"):
        bloodcell.score(night, tmp_path / "run")


def test_broken_members_cost_only_themselves(
    smears: Path, run: bloodcell.Run, tmp_path: Path
) -> None:
    images = images_of(smears)
    names = list(images)
    jpeg = next(name for name in names if name.endswith(".jpg"))
    broken: dict[str, tuple[bytes | tarfile.TarInfo, str]] = {
        names[20]: (b"", "empty"),
        names[21]: (b"this is a text, not an image", "not_an_image"),
        names[30]: (header(tarfile.LNKTYPE, names[0]), "unreadable"),
        names[31]: (header(tarfile.SYMTYPE, names[0]), "unreadable"),
        names[32]: (header(tarfile.FIFOTYPE), "unreadable"),
        names[33]: (header(tarfile.GNUTYPE_SPARSE), "unreadable"),
        jpeg: (smears.joinpath(jpeg).read_bytes()[:-9], "truncated"),
    }
    pack(tmp_path / "n.tar", images | {name: content for name, (content, _) in broken.items()})
    again = bloodcell.score(tmp_path / "n.tar", tmp_path / "run")
    rejected = {
        cell["path"].removeprefix("n.tar/"): cell["reason"]
        for cell in again.cells().to_pylist()
        if cell["status"] == "rejected"
    }
    assert rejected == {name: reason for name, (_, reason) in broken.items()}
    whole, clean = by_member(again, in_shards=True), by_member(run, in_shards=False)
    assert all(whole[name] == clean[name] for name in names if name not in broken)


@pytest.mark.usefixtures("small_parts")
def test_a_shard_that_goes_or_shrinks_while_scoring_costs_its_cells(
    smears: Path, tmp_path: Path
) -> None:
    night = pack_night(smears, tmp_path / "night")

    def spoil(done: int, _cells: int) -> None:
        if done == 1:
            (night / "night-1.tar").unlink()
            os.truncate(night / "night-2.tar", 512)

    spoilt = bloodcell.score(night, tmp_path / "run", batch_size=1, threads=1, progress=spoil)
    assert spoilt.about["rejected"]["missing"] > 0
    assert spoilt.about["rejected"]["truncated"] > 0
    assert spoilt.about["scored"] + sum(spoilt.about["rejected"].values()) == CELLS


def test_labels_are_joined_by_shard_and_member(
    smears: Path, night_run: bloodcell.Run, tmp_path: Path
) -> None:
    labels = {
        row["path"]: row["class"] for row in read_labels(smears / "labels.csv", ("path", "class"))
    }
    paths = night_run.cells(["path"])["path"].to_pylist()
    lines = [f"{path},{labels[path.split('/', 1)[1]]}\n" for path in paths]
    (tmp_path / "labels.csv").write_text("path,class\n" + "".join(lines))
    figures = evaluate(night_run, tmp_path / "labels.csv")
    assert figures["cells"]["labelled"] == CELLS
    assert figures["cells"]["labels_not_in_run"] == 0


# --- the reader


def strings(*names: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    return np.cumsum([0, *map(len, names)]), np.frombuffer("".join(names).encode(), np.uint8)


def test_a_shortage_of_descriptors_is_an_error_and_no_rejects(
    night: Path, night_run: bloodcell.Run
) -> None:
    from bloodcell.engine.source import read_files

    rows = pq.read_table(night_run.folder / "manifest.parquet")
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, usual[1]))
    try:
        with pytest.raises(EngineError, match="Too many open files"):
            next(read_files(night, [rows]))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)


@pytest.mark.parametrize(
    ("offsets", "sizes", "error", "message"),
    [
        ([0], [1, 1], ValueError, r"range_offsets: expected shape \(2,\), found \(1,\)"),
        ([0, 0], [1], ValueError, r"range_sizes: expected shape \(2,\), found \(1,\)"),
        ([0.0, 0.0], [1, 1], TypeError, "range_offsets: expected dtype int64, found float64"),
    ],
)
def test_wrong_ranges_are_refused(
    offsets: list[float], sizes: list[int], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        _core.read_ranges("/", *strings("a", "b"), np.array(offsets), np.array(sizes))
