"""Signals stop `score` in good order, from its first moment on."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.started_processes import started


def test_sigterm_stops_in_good_order_with_status_4(smears: Path, tmp_path: Path) -> None:
    # Many rows of the same few cells, so that the signal finds the run at work.
    cells = sorted((smears / "phantom-000").iterdir())
    (tmp_path / "in" / "p").mkdir(parents=True)
    for number in range(3000):
        (tmp_path / "in" / "p" / f"{number}.jpg").symlink_to(cells[number % len(cells)])
    words = [sys.executable, "-m", "bloodcell", "score", tmp_path / "in", "--out"]
    about = tmp_path / "run" / "run.json"
    with started([*words, tmp_path / "run", "--batch-size", "8"]) as process:
        while not about.exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        time.sleep(1.0)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 4
    assert re.search(r"stopped: \d+ of 3000 cells are finished", errors)
    assert json.loads(about.read_text())["state"] == "stopped"


def wait_until_caught(process: subprocess.Popen[str], last: signal.Signals) -> None:
    status = Path(f"/proc/{process.pid}/status")
    while not int(re.findall(r"SigCgt:\t(\w+)", status.read_text())[0], 16) & 1 << last - 1:
        assert process.poll() is None
        time.sleep(0.001)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_comes_while_everything_is_loaded_is_heeded(
    number: signal.Signals, smears: Path, tmp_path: Path
) -> None:
    # The tests themselves may run under nohup.
    words = ["env", "--default-signal=HUP", sys.executable, "-m", "bloodcell", "score", smears]
    words += ["--out", tmp_path / "run"]
    with started(words) as process:
        wait_until_caught(process, signal.SIGHUP)
        process.send_signal(number)
        assert "stopped before a cell was scored" in process.communicate(timeout=60)[1]
    assert process.returncode == 4
    assert not (tmp_path / "run").exists()


def test_what_nohup_ignores_stays_ignored(smears: Path, tmp_path: Path) -> None:
    command = f"trap '' HUP; exec {sys.executable} -m bloodcell score {smears} --out {tmp_path}/run"
    with started(["bash", "-c", command]) as process:
        wait_until_caught(process, signal.SIGTERM)
        os.kill(process.pid, signal.SIGHUP)
        process.communicate(timeout=120)
    assert process.returncode == 0
