"""Runs that are killed, at single system calls and at random moments; kills.py in short."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("kills.py")


@pytest.mark.usefixtures("strace")
def test_a_run_killed_at_any_call_resumes_to_the_same_bytes() -> None:
    words = [sys.executable, PROGRAM, "--random", "1", "--calls", "4", "--cells", "200"]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    # The calls are taken evenly from all; a moment may come when the run has ended.
    assert "5 of 5 runs" in done.stdout
    assert "'equal': 5" in done.stdout
