"""Runs into an object store that are killed; kills_in_object_store.py in short."""

import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).with_name("kills_in_object_store.py")


def test_a_killed_run_resumes_from_the_store_alone_to_the_same_bytes() -> None:
    words = [sys.executable, PROGRAM, "--kills", "2", "--cells", "400", "--unsteady", "0.05"]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "'equal': 2" in done.stdout
