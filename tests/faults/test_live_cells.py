"""Cells of many threads at random, some cancelled, some too late; live_cells.py in short."""

import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).with_name("live_cells.py")


def test_every_future_ends_once_and_as_score_says() -> None:
    words = [sys.executable, PROGRAM, "--threads", "32", "--cells", "640"]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "640 of 640 futures ended" in done.stdout
    for end in ("scored", "rejected", "expired", "cancelled"):
        assert f"'{end}':" in done.stdout
