"""The programs of the page: the one without a server runs, the client is at least Python."""

import subprocess
import sys
from pathlib import Path

from helpers.pages import code

import bloodcell
from bloodcell.model import load_model


def test_the_program_without_a_server_prints_what_score_stores(
    repository: Path, run: bloodcell.Run, smears: Path, tmp_path: Path
) -> None:
    client, program = code("triton.md", "python")
    compile(client, "client", "exec")
    cell = run.cells(["path"]).to_pylist()[0]
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    printed = subprocess.run(
        [sys.executable, tmp_path / "program.py", repository / "jhu18-differential-160",
         smears / cell["path"]],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert printed[::2] == load_model().scheme.codes
    assert abs(sum(map(float, printed[1::2])) - 1) < 18 / 2 * 2**-16
