"""The folder of plans: whole files, the right ones, and nobody else's."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bloodcell.caches import user_cache
from bloodcell.engine.backends.tensorrt.cache import PlanCache
from bloodcell.errors import EngineError

ABOUT = {"network": "a" * 64, "name": "GPU", "driver": "1", "version": "11.4", "largest_batch": 4}


@pytest.fixture
def cache(tmp_path: Path) -> PlanCache:
    return PlanCache(tmp_path / "plans")


def test_what_is_kept_is_found(cache: PlanCache) -> None:
    assert cache.read(ABOUT, "plan") is None
    cache.write(ABOUT, "plan", b"first\nsecond")
    assert cache.read(ABOUT, "plan") == b"first\nsecond"
    assert cache.read(ABOUT, "timings") is None


@pytest.mark.parametrize("changed", list(ABOUT))
def test_anything_else_is_another_file(cache: PlanCache, changed: str) -> None:
    cache.write(ABOUT, "plan", b"plan")
    other = {**ABOUT, changed: "other"}
    assert cache.read(other, "plan") is None
    # Nor does a file do that someone gave the other's name.
    cache.path(ABOUT, "plan").rename(cache.path(other, "plan"))
    assert cache.read(other, "plan") is None


def damaged(content: bytes) -> Iterator[bytes]:
    yield content[:-1]
    yield content + b"x"
    yield content.replace(b"a plan", b"A plan")
    yield b"garbage"
    yield b""
    yield b"\xff" * 100


@pytest.mark.parametrize("which", range(6))
def test_a_damaged_file_is_not_used_and_written_anew(cache: PlanCache, which: int) -> None:
    cache.write(ABOUT, "plan", b"a plan")
    path = cache.path(ABOUT, "plan")
    path.write_bytes(list(damaged(path.read_bytes()))[which])
    assert cache.read(ABOUT, "plan") is None
    cache.write(ABOUT, "plan", b"a plan")
    assert cache.read(ABOUT, "plan") == b"a plan"


def test_the_folder_is_the_users_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "plans"
    PlanCache(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    PlanCache(folder)
    folder.chmod(0o770)
    with pytest.raises(EngineError, match=r"others may write to .*chmod 700"):
        PlanCache(folder)
    folder.chmod(0o700)
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(EngineError, match=r"belongs to user \d+, not to you"):
        PlanCache(folder)


def test_a_link_or_a_file_is_no_folder_for_plans(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match="no folder of its own"):
        PlanCache(tmp_path / "link")
    with pytest.raises(EngineError, match="cannot be made"):
        PlanCache(tmp_path / "file")


def test_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache() == tmp_path / "bloodcell"
    for ignored in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert user_cache() == Path.home() / ".cache" / "bloodcell"


def test_one_builds_while_the_others_wait(tmp_path: Path) -> None:
    built: list[int] = []

    def work(number: int) -> None:
        # A cache of its own: locks are held by open files, as in another process.
        cache = PlanCache(tmp_path / "plans")
        with cache.locked():
            if cache.read(ABOUT, "plan") is None:
                built.append(number)
                cache.write(ABOUT, "plan", b"plan" * 1000)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1
    assert PlanCache(tmp_path / "plans").read(ABOUT, "plan") == b"plan" * 1000
