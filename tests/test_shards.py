"""Tar shards: the same cells and answers as from folders, and no cell lost in silence."""

import io
import os
import resource
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawn_runs import CELLS, digests

import bloodcell
from bloodcell import _core
from bloodcell.errors import EngineError, InputError, RunError, Stopped
from bloodcell.evaluation import evaluate
from bloodcell.labels import read_labels
from bloodcell.manifest import freeze_manifest

Members = dict[str, bytes | tarfile.TarInfo]


def pack(shard: Path, members: Members, tar_format: int = tarfile.GNU_FORMAT) -> Path:
    """Write a shard; a member is its bytes or, for a link and the like, its header."""
    shard.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(shard, "w", format=tar_format) as archive:
        for name, content in members.items():
            is_bytes = isinstance(content, bytes)
            header = tarfile.TarInfo(name) if is_bytes else content
            header.name, data = name, content if is_bytes else b""
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))
    return shard


def header(kind: bytes, target: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo()
    found.type, found.linkname = kind, target
    return found


def frozen(source: Path, tmp_path: Path, rows_per_group: int = 3) -> pa.Table:
    target = tmp_path / "frozen.parquet"
    freeze_manifest(source, target, rows_per_group)
    return pq.read_table(target)


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
    from drawn_runs import ROWS_PER_PART

    from bloodcell import scoring

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "ROWS_PER_PART", ROWS_PER_PART)
        return bloodcell.score(night, tmp_path_factory.mktemp("runs") / "run")


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

    spoilt = bloodcell.score(night, tmp_path / "run", batch_size=1, progress=spoil)
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


# --- what is a cell, and whose


@pytest.mark.parametrize(
    "tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
)
def test_members_with_an_image_suffix_are_cells(tmp_path: Path, tar_format: int) -> None:
    deep = "P2/" + "long/" * 30 + "x.tif"
    names = ["./P1/1.JPG", "P1/1.cls", "P1/1.json", "README", "P2//2.png", deep, "single.bmp",
             "P1/._1.jpg", ".cache/1.jpg", "P1/caf\udce9 Ω.jpeg"]  # fmt: skip
    members: Members = dict.fromkeys(names, b"x") | {"dir.jpg": header(tarfile.DIRTYPE)}
    table = frozen(pack(tmp_path / "night.01.tar", members, tar_format), tmp_path)
    cells = list(zip(table["path"].to_pylist(), table["patient"].to_pylist(), strict=True))
    assert cells == [
        ("night.01.tar/P1/1.JPG", "P1"),
        ("night.01.tar/P2/2.png", "P2"),
        (f"night.01.tar/{deep}", "P2"),
        ("night.01.tar/single.bmp", "night.01"),
        ("night.01.tar/P1/caf\\xe9 Ω.jpeg", "P1"),
    ]


def test_shards_come_by_name_and_members_as_they_lie(tmp_path: Path) -> None:
    night = tmp_path / "night"
    pack(night / "b.tar", {"q/2.jpg": b"x", "p/1.jpg": b"x"})
    pack(night / "a.TAR", {"q/9.jpg": b"x", "p/1.jpg": b"x"})
    pack(night / "empty.tar", {})
    (night / ".hidden.tar").write_bytes(b"no tar")
    (night / "labels.csv").write_text("path,class\n")
    assert frozen(night, tmp_path)["path"].to_pylist() == [
        "a.TAR/q/9.jpg", "a.TAR/p/1.jpg", "b.tar/q/2.jpg", "b.tar/p/1.jpg",
    ]  # fmt: skip


def test_what_is_passed_over_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pack(tmp_path / "in" / "a.tar", {"p/1.webp": b"x", "p/1.cls": b"x", "p/1": b"x"})
    with caplog.at_level("INFO"), pytest.raises(InputError, match="holds no cells"):
        frozen(tmp_path / "in", tmp_path)
    assert "a.tar holds no images" in caplog.text
    assert "3 members are no cells, by their suffix: none, .cls, .webp" in caplog.text


# --- what is refused


def whole_shard() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in ("p/1.jpg", "p/2.jpg"):
            member = tarfile.TarInfo(name)
            member.size = 600
            archive.addfile(member, io.BytesIO(b"x" * 600))
    return out.getvalue()


def damaged() -> Iterator[tuple[str, bytes, str]]:
    """Each member takes 512 + 1024 bytes; the end mark begins at 3072."""
    whole = whole_shard()
    negative = bytearray(whole)
    # The second member's size is -512 in base 256, which leads back to it; its checksum is right.
    negative[1536 + 124 : 1536 + 136] = (-512).to_bytes(12, "big", signed=True)
    negative[1536 + 148 : 1536 + 156] = b" " * 8
    negative[1536 + 148 : 1536 + 156] = b"%06o\0 " % sum(negative[1536:2048])
    yield "nothing", b"", "empty file"
    yield "text", b"no tar at all " * 100, "invalid header"
    yield "cut in a member", whole[:1000], "unexpected end of data"
    yield "cut in a header", whole[:1700], "cut short at byte 1536"
    yield "cut between members", whole[:1536], "cut short at byte 1536"
    yield "cut before the end mark", whole[:3072], "cut short at byte 3072"
    yield "damaged header", whole[:1600] + b"?" + whole[1601:], "damaged header at byte 1536"
    yield "negative size", bytes(negative), "damaged header at byte 1536"
    yield "two archives", whole + whole, "more data behind its end mark at byte 3072"


@pytest.mark.parametrize(
    ("content", "message"), [pytest.param(*case, id=name) for name, *case in damaged()]
)
def test_a_damaged_or_cut_shard_is_refused_by_name(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "night.tar").write_bytes(content)
    with pytest.raises(InputError, match=rf"night\.tar is not a whole.*{message}"):
        frozen(tmp_path / "night.tar", tmp_path)


@pytest.mark.parametrize("size", [3584, 4096, None])
def test_an_end_mark_of_any_length_will_do(tmp_path: Path, size: int | None) -> None:
    (tmp_path / "night.tar").write_bytes(whole_shard()[:size])
    assert frozen(tmp_path / "night.tar", tmp_path).num_rows == 2


@pytest.mark.parametrize(
    ("beside", "message"),
    [
        ("P1/1.jpg", r"holds tar shards \(a\.tar, \.\.\.\) beside folders or images \(P1, "),
        ("1.JPG", r"beside folders or images \(1\.JPG, "),
        ("b.tar.gz", r"b\.tar\.gz is compressed: an uncompressed \.tar is expected"),
        ("b.TGZ", r"b\.TGZ is compressed"),
        ("caf\udce9.tar", "'caf.udce9.tar' has a name that is not UTF-8"),
    ],
)
def test_what_does_not_go_with_shards_is_refused(tmp_path: Path, beside: str, message: str) -> None:
    night = pack(tmp_path / "night" / "a.tar", {"p/1.jpg": b"x"}).parent
    (night / beside).parent.mkdir(exist_ok=True)
    (night / beside).write_bytes(b"x")
    with pytest.raises(InputError, match=message):
        frozen(night, tmp_path)


@pytest.mark.parametrize(
    ("target", "message"),
    [("a.tar", "a shard that was listed already"), ("gone.tar", "b.tar is not a file")],
)
def test_a_link_to_the_same_or_to_no_shard_is_refused(
    tmp_path: Path, target: str, message: str
) -> None:
    night = pack(tmp_path / "night" / "a.tar", {"p/1.jpg": b"x"}).parent
    (night / "b.tar").symlink_to(target)
    with pytest.raises(InputError, match=message):
        frozen(night, tmp_path)


@pytest.mark.parametrize("name", ["/data/p/1.jpg", "../p/1.jpg"])
def test_a_member_outside_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"the member {name}, whose first folder is no patient"):
        frozen(pack(tmp_path / "a.tar", {name: b"x"}), tmp_path)


def test_a_member_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    pack(tmp_path / "in" / "a.tar", {"p/1.jpg": b"x", "./p/1.jpg": b"y"})
    with pytest.raises(InputError, match=r"a\.tar/p/1\.jpg more than once"):
        frozen(tmp_path / "in", tmp_path)


@pytest.mark.parametrize("column", ["shard", "byte_offset", "byte_count"])
def test_a_manifest_may_not_have_the_columns_of_shards(tmp_path: Path, column: str) -> None:
    (tmp_path / "m.csv").write_text(f"path,patient,{column}\na.jpg,p,1\n")
    with pytest.raises(InputError, match=rf"has the columns \['{column}'\]"):
        frozen(tmp_path / "m.csv", tmp_path)


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
