"""One part, put together from batches in any order, and files that are whole or absent."""

import errno
import os
import shutil
import stat
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bloodcell import files
from bloodcell._core import REASONS
from bloodcell.digests import digest_array
from bloodcell.engine.batches import ScoreBatch
from bloodcell.errors import BloodcellError, DiskError, RunError, Stopped
from bloodcell.files import write_whole
from bloodcell.parts import PartAssembler
from bloodcell.scheme import load_scheme
from bloodcell.store import RunStore

SCHEME = load_scheme("pbc8")
MISSING = REASONS.index("missing")
MANIFEST = pa.table({"row": [10, 11, 12], "patient": ["p"] * 3, "path": ["a", "b", "c"]})


def batch(rows: list[int], reasons: list[int], best: list[int]) -> ScoreBatch:
    probabilities = np.zeros((len(rows), 8), np.float32)
    probabilities[np.arange(len(rows)), best] = 1
    probabilities[np.array(reasons) != 0] = np.nan
    stained = np.array([row % 2 == 0 for row in rows])
    digests = np.array([[row, *14 * [7], 0] for row in rows], np.uint8)
    digests[np.array(reasons) == MISSING] = 0
    return ScoreBatch(np.array(rows), np.array(reasons, np.uint8), probabilities, digests, stained)


def test_batches_in_any_order_make_the_same_part() -> None:
    tables = []
    first, second = batch([12, 10], [0, 0], [4, 0]), batch([11], [6], [0])
    for order in ([first, second], [second, first]):
        assembler = PartAssembler(MANIFEST, SCHEME)
        assembler.add(order[0])
        assert not assembler.complete
        assembler.add(order[1])
        assert assembler.complete
        tables.append(assembler.table())
    assert tables[0].equals(tables[1])
    assert tables[0].select(["path", "status", "reason", "class"]).to_pylist() == [
        {"path": "a", "status": "scored", "reason": None, "class": "basophil"},
        {"path": "b", "status": "rejected", "reason": "truncated", "class": None},
        {"path": "c", "status": "scored", "reason": None, "class": "lymphocyte"},
    ]


def test_digests_are_stored_as_they_are_and_null_where_nothing_was_read() -> None:
    assembler = PartAssembler(MANIFEST, SCHEME)
    assembler.add(batch([12, 10, 11], [6, 0, MISSING], [0, 0, 0]))
    stored = assembler.table()["digest"]
    assert stored.to_pylist() == [bytes([10, *14 * [7], 0]), None, bytes([12, *14 * [7], 0])]
    assert digest_array(stored.slice(1))[:, 0].tolist() == [0, 12]


def test_a_row_that_comes_twice_is_refused() -> None:
    assembler = PartAssembler(MANIFEST, SCHEME)
    assembler.add(batch([10, 11], [0, 0], [1, 1]))
    with pytest.raises(RunError, match="came twice"):
        assembler.add(batch([11, 12], [0, 0], [1, 1]))


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_whole(path, lambda beside: beside.write_text("old"))

    def fail_halfway(beside: Path) -> None:
        beside.write_text("half of the n")
        raise OSError(28, "No space left on device")

    with pytest.raises(DiskError, match=r"f: No space left on device\. What is finished is kept"):
        write_whole(path, fail_halfway)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_synced_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = os.fsync

    def as_some_shares_do(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", as_some_shares_do)
    monkeypatch.setattr(files, "_not_synced", set())
    for name in "ab":
        write_whole(tmp_path / name, lambda beside: beside.write_text("whole"))
    assert sorted(path.read_text() for path in tmp_path.iterdir()) == ["whole", "whole"]
    assert caplog.text.count("cannot be synced on its file system (Invalid argument)") == 1


def test_a_file_that_cannot_be_synced_is_not_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DiskError, match="Input/output error"):
        write_whole(tmp_path / "f", lambda beside: beside.write_text("on disk?"))
    assert list(tmp_path.iterdir()) == []


def test_two_that_write_the_same_file_do_not_meet(tmp_path: Path) -> None:
    def while_another_writes(beside: Path) -> None:
        beside.write_text("first")
        write_whole(tmp_path / "f", lambda other: other.write_text("second"))

    write_whole(tmp_path / "f", while_another_writes)
    assert (tmp_path / "f").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize(
    ("gone", "raised", "told"),
    [
        ("share", Stopped, Stopped),
        ("share", DiskError, DiskError),
        ("share/run", Stopped, Stopped),
        ("share/run", DiskError, RunError),
    ],
)
def test_a_run_folder_alone_is_called_removed_and_what_is_stopped_stays_so(
    tmp_path: Path, gone: str, raised: type[BloodcellError], told: type[BloodcellError]
) -> None:
    def lose() -> None:
        with RunStore(tmp_path / "share" / "run").locked():
            shutil.rmtree(tmp_path / gone)
            raise raised("as it was told")

    with pytest.raises(told) as caught:
        lose()
    assert ("was removed" in str(caught.value)) == (told is RunError)
