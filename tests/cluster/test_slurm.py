"""The recipe for Slurm, run by a pretended one: an array of tasks, then the job that merges."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.drawn_runs import digests
from helpers.pages import ROOT
from helpers.tiny_model import write_tiny_model

import bloodcell
from bloodcell.files import sha256_of

CLUSTER = ROOT / "examples" / "cluster"
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do shift; done
exec "$@"
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where the scripts find programs: this environment's bloodcell, and an srun."""
    (tmp_path / "bin").mkdir()
    srun = tmp_path / "bin" / "srun"
    srun.write_text(SRUN)
    srun.chmod(0o755)
    return f"{srun.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"


def run(path: str, script: str, *words: str | Path, task: int | None = None) -> None:
    """As Slurm would: a copy of the script elsewhere, with what it puts into the environment."""
    slurm = {"SLURM_CPUS_PER_TASK": "1"}
    if task is not None:
        slurm["SLURM_ARRAY_TASK_ID"] = str(task)
    done = subprocess.run(
        ["/bin/bash", "-s", *map(str, words)],
        input=(CLUSTER / script).read_text(),
        env=os.environ | {"PATH": path} | slurm,
        capture_output=True, check=False, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_an_array_of_patients_is_the_run_of_the_folder(
    smears: Path, path: str, tmp_path: Path
) -> None:
    model = write_tiny_model(tmp_path / "model", "pbc8")
    options = ("--model", model, "--backend", "onnxruntime")
    patients = [tmp_path / "in" / name for name in ("P1", "P2")]
    for patient, images in zip(patients, sorted(smears.glob("phantom-*")), strict=False):
        shutil.copytree(images, patient)
    # As ls -d */ writes them.
    (tmp_path / "inputs.txt").write_text("".join(f"{folder}/\n" for folder in patients))
    runs, night = tmp_path / "runs", tmp_path / "runs" / "night"
    for task in (1, 0):
        run(path, "slurm-array.sh", tmp_path / "inputs.txt", runs, *options, task=task)
    run(path, "slurm-merge.sh", tmp_path / "inputs.txt", runs, night)
    whole = bloodcell.score(tmp_path / "in", tmp_path / "whole", model, "onnxruntime").folder
    assert digests(night) == digests(whole)
    assert sha256_of(night / "manifest.parquet") == sha256_of(whole / "manifest.parquet")
    assert bloodcell.open_run(night).counts.patients == 2
