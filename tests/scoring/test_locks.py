"""One writer a folder, also where the file system has no locks."""

import errno
import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from bloodcell.errors import DiskError, RunError
from bloodcell.locks import HOLDER, LOCK, held


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)


def leave_holder(folder: Path, **changed: object) -> None:
    """What a killed process leaves: this one's, changed."""
    with held(folder):
        holder = json.loads((folder / HOLDER).read_text())
    (folder / HOLDER).write_text(json.dumps(holder | changed))


def test_a_lock_names_its_holder(tmp_path: Path) -> None:
    with held(tmp_path):
        holder = json.loads((tmp_path / LOCK).read_text())
        assert (holder["host"], holder["pid"]) == (socket.gethostname(), os.getpid())
        with (
            pytest.raises(RunError, match=rf"process {os.getpid()} on .*, since 20"),
            held(tmp_path),
        ):
            pass
    with held(tmp_path):
        pass


def test_a_holder_that_is_about_to_write_its_name_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / LOCK
    with held(tmp_path):
        name = lock.read_text()
        monkeypatch.setattr(time, "sleep", lambda _: lock.write_text(name))
        of_the_last_run = json.dumps(json.loads(name) | {"pid": 999_999_999})
        for before in ("", of_the_last_run):
            lock.write_text(before)
            with pytest.raises(RunError, match=rf"process {os.getpid()} on"), held(tmp_path):
                pass


def test_a_process_that_was_forked_meanwhile_does_not_keep_the_lock(tmp_path: Path) -> None:
    with held(tmp_path):
        opened = next(
            file for file in Path("/proc/self/fd").iterdir() if file.resolve() == tmp_path / LOCK
        )
        of_the_forked = os.dup(int(opened.name))
    with held(tmp_path):
        pass
    os.close(of_the_forked)


def test_a_lock_that_its_holder_took_away_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that opened the same file would else write side by side with a third."""
    real = fcntl.flock

    def after_its_holder(file: BinaryIO, operation: int) -> None:
        (tmp_path / LOCK).unlink(missing_ok=True)
        real(file, operation)

    monkeypatch.setattr(fcntl, "flock", after_its_holder)
    with pytest.raises(RunError, match="run the same command again"), held(tmp_path):
        pass


FORKING = """
import os, sys
from pathlib import Path
from bloodcell.errors import RunError
from bloodcell.locks import held
with held(Path(sys.argv[1])):
    if (forked := os.fork()) == 0:
        sys.exit()
    os.waitpid(forked, 0)
    try:
        with held(Path(sys.argv[1])):
            print("taken")
    except RunError:
        print("kept")
"""


def test_a_forked_process_that_ends_leaves_the_lock_to_the_other(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FORKING, str(tmp_path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "kept\n"


@pytest.mark.usefixtures("without_locks")
def test_without_locks_a_file_keeps_the_second_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with held(tmp_path):
        assert "without locks (No locks available)" in caplog.text
        assert len(caplog.records) == 1
        with pytest.raises(RunError, match=f"process {os.getpid()} on"), held(tmp_path):
            pass
    assert not (tmp_path / HOLDER).exists()


def test_who_can_lock_heeds_who_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOTSUP, "")))
        leave_holder(tmp_path)
    with pytest.raises(RunError, match="being written"), held(tmp_path):
        pass


@pytest.mark.usefixtures("without_locks")
def test_the_file_of_a_process_that_is_gone_is_taken_over(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    for changed in ({"pid": gone.pid}, {"begun": "another process had this number"}):
        leave_holder(tmp_path, **changed)
        with held(tmp_path):
            assert json.loads((tmp_path / HOLDER).read_text())["pid"] == os.getpid()
    (tmp_path / HOLDER).write_text("")  # killed before it could say who it was
    with held(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]


@pytest.mark.usefixtures("without_locks")
def test_the_file_of_another_host_is_named_with_what_to_do(tmp_path: Path) -> None:
    leave_holder(tmp_path, host="scanner-2", pid=4711)
    with (
        pytest.raises(RunError, match=r"4711 on scanner-2.* delete .*\.holder and run"),
        held(tmp_path),
    ):
        pass


@pytest.mark.usefixtures("without_locks")
@pytest.mark.parametrize("has_links", [True, False])
def test_of_two_that_claim_at_once_one_writes_however_slow_the_other_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    """Another host's process comes, and waits its time, in the middle of this one's claim."""
    stack, came, holding = ExitStack(), list[str](), list[str]()
    real_link, real_open = os.link, Path.open

    def claim(host: str) -> None:
        with suppress(RunError), monkeypatch.context() as patch:
            patch.setattr(socket, "gethostname", lambda: host)
            stack.enter_context(held(tmp_path))
            holding.append(host)

    def let_another_come() -> None:
        if not came:
            came.append("another")
            claim("another")

    def link(*names: Path) -> None:
        if not has_links:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        let_another_come()
        real_link(*names)

    def opened(path: Path, mode: str = "r", **options: Any) -> Any:
        file = real_open(path, mode, **options)
        if path.name == HOLDER and "x" in mode:
            let_another_come()
        return file

    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr(Path, "open", opened)
    with stack:
        claim("this")
        assert came
        assert len(holding) == 1
        assert json.loads((tmp_path / HOLDER).read_text())["host"] == holding[0]
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]


@pytest.mark.usefixtures("without_locks")
def test_what_was_claimed_while_another_was_put_back_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_holder(tmp_path, begun="before another process had this number")
    gone = json.loads((tmp_path / HOLDER).read_text())
    quicker, third = (json.dumps(gone | {"host": host}) for host in ("quicker", "third"))
    rename = Path.rename

    def renamed(path: Path, to: Path) -> Path:
        if path.name != HOLDER:
            return rename(path, to)
        path.write_text(quicker)
        moved = rename(path, to)
        path.write_text(third)
        return moved

    monkeypatch.setattr(Path, "rename", renamed)
    with pytest.raises(RunError, match="on third"), held(tmp_path):
        pass
    assert (tmp_path / HOLDER).read_text() == third


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / LOCK).mkdir()
    with pytest.raises(DiskError, match=r"cannot write .*: Is a directory"), held(tmp_path):
        pass
