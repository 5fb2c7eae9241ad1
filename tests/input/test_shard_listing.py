"""What becomes a cell of a tar shard, and which shards are refused."""

import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.tar_shards import Members, frozen, header, pack

from bloodcell.errors import InputError

# --- what is a cell, and whose


@pytest.mark.parametrize(
    "tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
)
def test_members_with_an_image_suffix_are_cells(tmp_path: Path, tar_format: int) -> None:
    deep = "P2/" + "long/" * 30 + "x.tif"
    names = ["./P1/1.JPG", "P1/1.cls", "P1/1.json", "README", "P2//2.png", deep, "P1/._1.jpg",
             ".cache/1.jpg", "P1/caf\udce9 Ω.jpeg"]  # fmt: skip
    members: Members = dict.fromkeys(names, b"x") | {"dir.jpg": header(tarfile.DIRTYPE)}
    table = frozen(pack(tmp_path / "night.01.tar", members, tar_format), tmp_path)
    cells = list(zip(table["path"].to_pylist(), table["patient"].to_pylist(), strict=True))
    assert cells == [
        ("night.01.tar/P1/1.JPG", "P1"),
        ("night.01.tar/P2/2.png", "P2"),
        (f"night.01.tar/{deep}", "P2"),
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


def test_members_that_are_no_images_are_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    members: Members = dict.fromkeys(["p/1.cls", "p/2.cls", "p/1", "p/x.0001", "p/more.zip"], b"x")
    pack(tmp_path / "in" / "a.tar", members)
    with pytest.raises(InputError, match="holds no cells"):
        frozen(tmp_path / "in", tmp_path)
    assert f"1 shards in {tmp_path / 'in'} hold no images" in caplog.text
    (line,) = [record.getMessage() for record in caplog.records if "left out" in record.msg]
    assert line.startswith(f"5 files of {tmp_path / 'in'} are no cells and left out: ")
    for reason in ("2 with the suffix .cls", "2 without an image's suffix",
                   "1 with the suffix .zip"):  # fmt: skip
        assert reason in line


def test_images_of_other_kinds_are_rows_that_say_why_they_were_rejected(tmp_path: Path) -> None:
    names = ["p/1.webp", "p/2.JFIF", "p/3.heic", "p/4.gif", "p/5.svs"]
    table = frozen(pack(tmp_path / "a.tar", dict.fromkeys(names, b"x")), tmp_path)
    assert table["path"].to_pylist() == [f"a.tar/{name}" for name in names]


def test_backslashes_of_windows_divide_folders(tmp_path: Path) -> None:
    names = ["P1\\1.jpg", "P2\\slide\\M\udcfcller.jpg", "P2\\Thumbs.db", "P2\\@eaDir\\x.jpg"]
    table = frozen(pack(tmp_path / "a.tar", dict.fromkeys(names, b"x")), tmp_path)
    assert table["path"].to_pylist() == ["a.tar/P1/1.jpg", "a.tar/P2/slide/M\\xfcller.jpg"]
    assert table["patient"].to_pylist() == ["P1", "P2"]


def test_members_without_a_folder_are_of_a_patient_called_like_the_shard(tmp_path: Path) -> None:
    night = pack(tmp_path / "in" / "P7.01.tar", {"1.jpg": b"x", "./2.jpg": b"x"}).parent
    pack(night / "b.tar", {"P1/1.jpg": b"x"})
    assert frozen(night, tmp_path)["patient"].to_pylist() == ["P7.01", "P7.01", "P1"]


@pytest.mark.parametrize("names", [["P1/1.jpg", "2.jpg"], ["2.jpg", "3.jpg", "./P1/1.jpg"]])
def test_a_shard_with_images_beside_its_patients_is_refused_as_a_folder_is(
    tmp_path: Path, names: list[str]
) -> None:
    shard = pack(tmp_path / "a.tar", dict.fromkeys(names, b"x"))
    with pytest.raises(
        InputError, match=r"a\.tar holds images \(2\.jpg, \.\.\.\) beside its patients"
    ):
        frozen(shard, tmp_path)
    # What is no cell is of nobody.
    names = ["P1/1.jpg", "labels.csv", "._2.jpg"]
    assert frozen(pack(shard, dict.fromkeys(names, b"x")), tmp_path).num_rows == 1


def test_a_member_whose_folders_cannot_be_told_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="which of them divides folders cannot be told"):
        frozen(pack(tmp_path / "a.tar", {"night/P1\\1.jpg": b"x"}), tmp_path)


def test_a_shard_may_have_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    night = pack(tmp_path / "night" / "caf\udce9.tar", {"1.jpg": b"x"}).parent
    assert frozen(night, tmp_path).select(["path", "patient", "shard"]).to_pylist() == [
        {"path": "caf\\xe9.tar/1.jpg", "patient": "caf\\xe9", "shard": "caf\\xe9.tar"}
    ]


def test_a_shard_packed_with_a_folder_around_its_patients_is_spoken_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    night = tmp_path / "night"
    pack(night / "a.tar", {"SMEARS/P1/1.jpg": b"x"})
    pack(night / "b.tar", {"SMEARS/P2/2.jpg": b"x"})
    assert set(frozen(night, tmp_path)["patient"].to_pylist()) == {"SMEARS"}
    assert "are of one patient and lie in several folders: " in caplog.text
    caplog.clear()
    pack(night / "b.tar", {"SMEARS/2.jpg": b"x"})
    frozen(night, tmp_path)
    assert not caplog.text


def test_shards_of_several_nights_of_patients_are_spoken_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["2026-11-27/P082/1.jpg", "2026-11-27/P085/1.jpg", "2026-11-28/P087/1.jpg"]
    shard = pack(tmp_path / "arch.tar", dict.fromkeys([*names, "2026-11-28/P090/1.jpg"], b"x"))
    frozen(shard, tmp_path)
    assert "the cells of 2 of 2 patients (2026-11-27, ...) lie in several folders" in caplog.text


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
    # Each says that a longer name of the next one follows.
    nested = 2000 * header(tarfile.XHDTYPE).tobuf(tarfile.USTAR_FORMAT)
    yield "headers without end", nested + whole, "recursion"
    for name, kind in (("vast name", tarfile.GNUTYPE_LONGNAME), ("vast member", tarfile.REGTYPE)):
        vast = header(kind)
        vast.size = 1 << 62
        yield name, vast.tobuf(tarfile.GNU_FORMAT) + whole, ""
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


@pytest.mark.parametrize(
    "name", ["/data/p/1.jpg", "../p/1.jpg", "C:\\p\\1.jpg", "..\\p\\1.jpg", "\\\\nas\\p\\1.jpg"]
)
def test_a_member_outside_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        InputError, match=rf"the member {re.escape(name)}, whose first folder is no patient"
    ):
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
