"""Standard output and error that are closed, full or of another alphabet never end a run."""

import subprocess
import sys
from pathlib import Path

import pytest
from helpers.drawn_runs import digests

import bloodcell

PYTHON = f"{sys.executable} -m bloodcell"


@pytest.fixture(scope="module")
def finished(smears: Path, tmp_path_factory: pytest.TempPathFactory) -> bloodcell.Run:
    return bloodcell.score(smears, tmp_path_factory.mktemp("finished") / "run")


@pytest.mark.parametrize(
    "streams",
    [
        ">/dev/full 2>/dev/full",
        "| head -0",
        "2> >(head -0)",
        "<&- >&- 2>&-",
    ],
)
def test_a_run_goes_on_without_its_streams(
    streams: str, smears: Path, finished: bloodcell.Run, tmp_path: Path
) -> None:
    command = f"{PYTHON} score {smears} --out {tmp_path}/run {streams}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], check=False)
    assert done.returncode == 0
    assert digests(tmp_path / "run") == digests(finished.folder)


def test_the_exit_status_is_the_runs(smears: Path, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(f"path,patient\n{smears}/README.txt,p\n")
    command = f"{PYTHON} score {tmp_path}/m.csv --out {tmp_path}/run >/dev/full 2>&1"
    assert subprocess.run(["bash", "-c", command], check=False).returncode == 3


def test_a_closed_stream_gets_no_file_of_the_run(tmp_path: Path) -> None:
    """A descriptor 2 that is free would be the first file's, and libraries write to 2."""
    program = (
        "from bloodcell.terminal import as_command; import os\n"
        f"with as_command(): file = open({str(tmp_path / 'part')!r}, 'wb'); os.write(2, b'x')\n"
        "assert file.fileno() > 2"
    )
    command = f'{sys.executable} -c "$0" <&- >&- 2>&-'
    assert subprocess.run(["bash", "-c", command, program], check=False).returncode == 0
    assert (tmp_path / "part").read_bytes() == b""


def test_a_patient_that_the_terminal_cannot_spell_is_printed_all_the_same(
    smears: Path, tmp_path: Path
) -> None:
    cell = next((smears / "phantom-000").iterdir())
    (tmp_path / "m.csv").write_text(f"path,patient\n{cell},\u674e\n", encoding="utf-8")
    words = [*PYTHON.split(), "score", tmp_path / "m.csv", "--out", tmp_path / "run"]
    done = subprocess.run(
        words, check=False, capture_output=True, env={"PYTHONIOENCODING": "ascii"}
    )
    assert done.returncode == 0, done.stderr
    assert b"1 cells = 1 scored" in done.stdout
    assert b"Traceback" not in done.stderr
