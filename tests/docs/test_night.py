"""The page about a night: its script tries again what may pass, and says what one must know."""

import os
import subprocess
from pathlib import Path

import pytest
from helpers.pages import code


def write_program(path: Path, content: str) -> None:
    path.write_text(f"#!/bin/bash\n{content}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("answers", "tries", "said"),
    [
        ([0], 1, ""),
        ([4, 0], 2, ""),
        ([3], 1, "many cells were rejected"),
        ([4, 4, 4, 4], 4, "is not done"),
        ([1], 1, "failed with status 1"),
        ([137], 1, "failed with status 137"),
    ],
)
def test_the_script_repeats_what_was_stopped_and_nothing_else(
    tmp_path: Path, answers: list[int], tries: int, said: str
) -> None:
    (script,) = code("night.md", "sh")
    (tmp_path / "night.sh").write_text(script, encoding="utf-8")
    (tmp_path / "answers").write_text("\n".join(map(str, answers)) + "\n", encoding="utf-8")
    write_program(
        tmp_path / "bloodcell",
        'echo "$@" >> calls; exit "$(sed -n "$(wc -l < calls)p" answers)"',
    )
    write_program(tmp_path / "sleep", "")
    done = subprocess.run(
        ["bash", "night.sh", "smears of today", "run"],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    calls = (tmp_path / "calls").read_text(encoding="utf-8").splitlines()
    assert calls == ["score smears of today --out run --quiet"] * tries
    assert done.returncode == answers[-1]
    assert said in done.stdout
    assert bool(done.stdout) == bool(said)
    assert done.stderr == ""
