"""Shared memory: what is no region, what lies outside of one, what shrinks meanwhile."""

import os
from collections.abc import Iterator
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import pytest

from bloodcell.server import regions
from bloodcell.server.refusals import Kind, Refusal
from bloodcell.server.regions import MOST_REGIONS, Regions


@pytest.fixture
def shared() -> Iterator[SharedMemory]:
    memory = SharedMemory(create=True, size=1000)
    yield memory
    memory.close()
    memory.unlink()


@pytest.fixture
def held() -> Iterator[Regions]:
    found = Regions(is_open=True)
    yield found
    found.unregister("")


def descriptors_of(memory: SharedMemory) -> list[str]:
    """Those of this process that lead to it; threads of other tests may open and close theirs."""
    path = Path("/dev/shm", memory.name)
    return [file.name for file in Path("/proc/self/fd").iterdir() if file.resolve() == path]


def test_a_region_is_read_and_written_from_its_offset(held: Regions, shared: SharedMemory) -> None:
    shared.buf[:1000] = bytes(range(250)) * 4
    held.register("r", shared.name, 100, 50)
    assert held.read("r", 10, 5) == bytes([110, 111, 112, 113, 114])
    held.write("r", 48, 2, b"\7\7")
    assert bytes(shared.buf[147:151]) == bytes([147, 7, 7, 150])
    assert held.listed("r") == [{"name": "r", "key": shared.name, "offset": 100, "byte_size": 50}]


@pytest.mark.parametrize(
    ("offset", "byte_size"),
    [(0, 5000), (4096, 1), (2**63, 1), (0, 2**63), (0, 0), (0, -1), (-1, 9)],
)
def test_a_region_lies_in_its_memory(
    held: Regions, shared: SharedMemory, offset: int, byte_size: int
) -> None:
    before = descriptors_of(shared)
    with pytest.raises(Refusal):
        held.register("r", shared.name, offset, byte_size)
    assert held.listed("") == []
    assert descriptors_of(shared) == before


@pytest.mark.parametrize(
    ("offset", "byte_size"), [(0, 51), (50, 1), (-1, 5), (0, 0), (0, -5), (2**70, 1), (1, 2**70)]
)
def test_nothing_outside_a_region_is_read_or_written(
    held: Regions, shared: SharedMemory, offset: int, byte_size: int
) -> None:
    held.register("r", shared.name, 100, 50)
    with pytest.raises(Refusal, match="do not lie in"):
        held.read("r", offset, byte_size)
    with pytest.raises(Refusal):
        held.write("r", offset, byte_size, b"\7")
    assert not any(shared.buf)


def test_an_output_that_is_larger_than_its_place_is_refused(
    held: Regions, shared: SharedMemory
) -> None:
    held.register("r", shared.name, 0, 50)
    with pytest.raises(Refusal, match="an output has 3 bytes: 2 are too few"):
        held.write("r", 0, 2, b"\7\7\7")


def test_memory_that_has_shrunk_ends_nothing(held: Regions, shared: SharedMemory) -> None:
    held.register("r", shared.name, 0, 1000)
    os.truncate(f"/dev/shm/{shared.name}", 10)
    assert held.read("r", 0, 10) == bytes(10)
    with pytest.raises(Refusal, match="is smaller than that"):
        held.read("r", 0, 11)
    with pytest.raises(Refusal, match="is smaller than that"):
        held.write("r", 0, 1000, b"\7")


def test_what_is_no_memory_of_its_own_name_is_not_opened(
    held: Regions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(regions, "_FOLDER", tmp_path)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_bytes(bytes(9))
    (tmp_path / "link").symlink_to("file")
    held.register("good", "/file", 0, 9)
    for key in ("folder", "fifo", "link", ".", "..", "./file", "\0", "a" * 256, "\udcff"):
        with pytest.raises(Refusal) as caught:
            held.register("r", key, 0, 1)
        assert caught.value.kind is Kind.INVALID, key


def test_names_are_given_once_and_not_without_end(held: Regions, shared: SharedMemory) -> None:
    for number in range(MOST_REGIONS):
        held.register(str(number), shared.name, 0, 1)
    with pytest.raises(Refusal, match="regions are registered"):
        held.register("one more", shared.name, 0, 1)
    held.unregister("7")
    held.unregister("7")
    with pytest.raises(Refusal, match="'8' is registered: unregister it first"):
        held.register("8", shared.name, 0, 1)
    held.register("7", shared.name, 0, 1)


def test_a_server_that_others_reach_has_no_regions(shared: SharedMemory) -> None:
    with pytest.raises(Refusal, match="loopback") as caught:
        Regions(is_open=False).register("r", shared.name, 0, 1)
    assert caught.value.kind is Kind.FORBIDDEN


def test_writing_into_memory_that_the_system_has_no_more_of_is_an_error(
    held: Regions, shared: SharedMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.register("r", shared.name, 0, 1000)
    monkeypatch.setattr(os, "pwrite", lambda *_: 1)
    with pytest.raises(OSError, match="no shared memory left"):
        held.write("r", 0, 1000, b"\7\7")
