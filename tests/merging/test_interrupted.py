"""A merge that was killed is done again by the same command, or by scoring."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.drawn_runs import digests, state
from merging.conftest import CELLS, Scored

import bloodcell
from bloodcell.audit import read_audit
from bloodcell.errors import RunError
from bloodcell.verification import verify


@pytest.fixture
def killed(folders: Scored, tmp_path: Path) -> Path:
    """Two of its four parts are there."""
    program = f"""
import os, signal
import bloodcell
def kill(done, cells):
    if done == 32:
        os.kill(os.getpid(), signal.SIGKILL)
bloodcell.merge({[*map(str, folders.runs)]!r}, {str(tmp_path / "run")!r}, progress=kill)
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(list((tmp_path / "run" / "cells").iterdir())) == 2
    assert state(tmp_path / "run") == "running"
    return tmp_path / "run"


def test_the_same_call_does_it_again(folders: Scored, killed: Path) -> None:
    with pytest.raises(RunError, match="is not done"):
        bloodcell.open_run(killed)
    bloodcell.merge(folders.runs, killed)
    assert digests(killed) == digests(folders.whole)
    assert all(finding.good for finding in verify(killed))
    events = [entry["event"] for entry in read_audit(killed / "audit.jsonl")]
    assert events == ["merge", *2 * ["part"], "merge", "redo", *4 * ["part"], "finish"]


@pytest.mark.usefixtures("small_parts")
def test_scoring_goes_on_with_it(folders: Scored, killed: Path) -> None:
    scored = bloodcell.score(folders.source, killed, folders.model, "onnxruntime", threads=1)
    assert scored.record.session is not None
    assert scored.record.session.cells == CELLS - 32
    assert digests(killed) == digests(folders.whole)
