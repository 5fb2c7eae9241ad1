"""What the system refuses ends a command in one line that says which limit to raise."""

import subprocess
import sys
from pathlib import Path

import pytest

from bloodcell.store import RunStore

_LIMITED = """
import resource, threading
import click
from bloodcell.command import Shown, command

def thread():
    threading.Thread(target=print).start()

def memory():
    bytearray(1 << 40)

def files():
    return [open("/dev/null") for _ in range(64)]

@click.command()
@command
def main() -> Shown:
    before = resource.getrlimit(resource.{limit})
    resource.setrlimit(resource.{limit}, ({most}, before[1]))
    try:
        {what}()
    finally:
        resource.setrlimit(resource.{limit}, before)

main()
"""
_SCORE = (sys.executable, "-m", "bloodcell", "score", "cells", "--out", "run")


def said(*words: str, cwd: Path | None = None) -> str:
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=120, cwd=cwd)
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    ("what", "limit", "most", "message", "advice"),
    [
        ("thread", "RLIMIT_AS", 1, "can't start new thread. ", "`ulimit -v`"),
        ("memory", "RLIMIT_AS", 1, "MemoryError. ", "`ulimit -v`"),
        ("files", "RLIMIT_NOFILE", 16, "[Errno 24] Too many open files", "`ulimit -n`"),
    ],
)
def test_a_limit_of_the_system_is_told_in_one_line(
    what: str, limit: str, most: int, message: str, advice: str
) -> None:
    line = said(sys.executable, "-c", _LIMITED.format(what=what, limit=limit, most=most))
    assert line.startswith(f"bloodcell: {message}")
    assert advice in line


def test_any_other_error_stays_one_of_the_program() -> None:
    program = _LIMITED.format(what="1 / 0; files", limit="RLIMIT_NOFILE", most=64)
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.stderr.splitlines()[-1] == "ZeroDivisionError: division by zero"


def test_a_run_that_another_process_holds_is_no_limit_of_the_system(
    smears: Path, tmp_path: Path
) -> None:
    with RunStore(tmp_path / "run").locked():
        line = said(*_SCORE[:4], str(smears), "--out", str(tmp_path / "run"))
    assert "is being written by another process" in line
    assert "ulimit" not in line


def test_a_working_directory_that_is_gone_is_told(tmp_path: Path) -> None:
    gone = 'mkdir here && cd here && rmdir ../here && exec "$0" "$@"'
    assert "The working directory is gone" in said("sh", "-c", gone, *_SCORE, cwd=tmp_path)
