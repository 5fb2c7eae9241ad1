"""A tree that was copied and never installed, as gpu-check has to do with on a bare machine."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gpu.check import TREE

from bloodcell import _core
from bloodcell.engine.backends.cuda import why_no_cuda


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the compiled extension in it, as it would be built there."""
    tree = tmp_path_factory.mktemp("plain") / "tree"
    ignored = shutil.ignore_patterns("__pycache__", "results")
    for folder in ("bloodcell", "engine", "benchmarks", "tests"):
        shutil.copytree(TREE / folder, tree / folder, symlinks=True, ignore=ignored)
    shutil.copy(TREE / "pyproject.toml", tree)
    shutil.copy(_core.__file__, tree / "bloodcell")
    return tree


_DRIVER = r"""
#include <string.h>
int cuInit(unsigned flags) { return 0; }
int cuDriverGetVersion(int *version) { *version = 13000; return 0; }
int cuDeviceGetCount(int *count) { *count = 1; return 0; }
int cuDeviceGetName(char *name, int size, int device) {
    strncpy(name, "Stand-in 9", size);
    return 0;
}
int cuDeviceGetUuid(unsigned char *bytes, int device) { memset(bytes, 7, 16); return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { *value = 9; return 0; }
"""
"""What `cuda.py` asks of a driver, and nothing that anything could be computed with."""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a driver that says there is a GPU."""
    folder = tmp_path_factory.mktemp("driver")
    (folder / "driver.c").write_text(_DRIVER)
    command = ["cc", "-shared", "-fPIC", "-o", folder / "libcuda.so.1", folder / "driver.c"]
    subprocess.run(command, check=True)
    return folder


_LACKING = ("bloodcell", "pybase64", "tensorrt", "dali_cuda")
"""Neither TensorRT-RTX nor what can be done without; of DALI no more than was copied."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """All libraries, and nothing that says that bloodcell is installed."""
    libraries = tmp_path_factory.mktemp("libraries")
    for package in Path(np.__file__).parents[1].iterdir():
        if not any(name in package.name for name in _LACKING):
            (libraries / package.name).symlink_to(package)
    nowhere = str(libraries / "no data")
    return {**os.environ, "PYTHONPATH": str(libraries), "BLOODCELL_DATA": nowhere}


def run(
    environment: dict[str, str], folder: Path, *words: object
) -> "subprocess.CompletedProcess[str]":
    # -S: no path files, so no editable install.
    command = [sys.executable, "-S", *map(str, words)]
    return subprocess.run(
        command, cwd=folder, env=environment, check=False, capture_output=True, text=True
    )


def test_it_scores(tree: Path, environment: dict[str, str], smears: Path, tmp_path: Path) -> None:
    done = run(environment, tree, "-m", "bloodcell", "score", smears, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "patients.parquet").is_file()


@pytest.mark.skipif(why_no_cuda() is None, reason="there is a GPU: it would be measured")
def test_without_a_gpu_gpu_check_is_one_line_status_5_and_no_file(
    tree: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    done = run(environment, tmp_path, tree / "benchmarks" / "gpu")
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith("gpu-check: ")
    assert done.stderr.count("\n") == 1
    assert not (tree / "benchmarks" / "results").exists()


def test_a_part_is_measured(tree: Path, environment: dict[str, str], tmp_path: Path) -> None:
    program = (
        f"import sys; sys.path[:1] = [{str(tree)!r}, {str(tree / 'benchmarks')!r}]\n"
        "from bloodcell.bench import timing\n"
        "from gpu import inputs, parts\n"
        "inputs.CELLS, inputs.IMAGE_PX, timing._LEAST_S = 12, 40, 0.001\n"
        f"parts.print_entries('shipped', {str(tmp_path)!r})"
    )
    done = run(environment, tmp_path, "-c", program)
    entry = json.loads(done.stdout)
    assert entry["cells_per_s"]["end_to_end"]["median"] > 0, entry
    assert entry["images"] == "drawn, 40 x 40 px"


@pytest.mark.skipif(why_no_cuda() is None, reason="there is a GPU: it would be measured")
def test_with_a_driver_alone_gpu_check_passes_and_says_what_was_skipped_and_why(
    tree: Path, environment: dict[str, str], driver: Path, tmp_path: Path
) -> None:
    environment = environment | {"LD_LIBRARY_PATH": str(driver)}
    done = run(environment, tmp_path, tree / "benchmarks" / "gpu", "--only", "tests")
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (tree / "benchmarks" / "results").iterdir()
    written = json.loads(path.read_text())
    shutil.rmtree(path.parent)
    assert written["gpu"]["name"] == "Stand-in 9"
    assert written["tests"].startswith("passed: ")
    assert " failed" not in written["tests"]
    reasons = " ".join(written["tests_not_passed"])
    for package in ("tensorrt", "CuPy", "torch"):
        assert package in reasons
    assert "shipped" in written["left_out"]
