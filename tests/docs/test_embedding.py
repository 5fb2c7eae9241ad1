"""The page about embedding and its example run as they are."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.pages import ROOT, code

import bloodcell


def ran(words: list[str], folder: Path) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        words, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the page's first command has drawn cells."""
    folder = tmp_path_factory.mktemp("embedding")
    (command,) = code("embedding.md", "sh")
    ran([sys.executable, "-m", *shlex.split(command)], folder)
    return folder


def test_the_pages_program_prints_what_score_writes(drawn: Path) -> None:
    (program,) = code("embedding.md", "python")
    printed = ran([sys.executable, "-c", program], drawn).splitlines()
    run = bloodcell.score(drawn / "demo", drawn / "run")
    assert len(printed) == 60 + 2
    for patient in run.patients.to_pylist():
        names = ("patient", "cells", "blast_percent_naive", "adjustment")
        assert " ".join(str(patient[name]) for name in names) in printed
    cells = run.cells(["class", "blast_probability"]).to_pylist()
    expected = sorted(f"{one['class']} {round(one['blast_probability'], 3)}" for one in cells)
    assert sorted(line.split(" ", 1)[1] for line in printed if line[0].isdigit()) == expected


def test_the_example_tells_each_patients_share(drawn: Path) -> None:
    printed = ran([sys.executable, str(ROOT / "examples/score_from_memory.py"), "demo"], drawn)
    patients = sorted(path.name for path in (drawn / "demo").iterdir() if path.is_dir())
    for patient in patients:
        assert f"{patient}: 30 of 30 cells scored" in printed
