"""The layers of ``pyproject.toml``: kept by the tree, and broken by what one might plant there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    no_code = shutil.ignore_patterns("__pycache__", "models", "*.so")
    for folder in ("bloodcell", "engine", ".ci"):
        shutil.copytree(ROOT / folder, tmp_path / folder, symlinks=True, ignore=no_code)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def check(tree: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, ".ci/lint_imports.py", "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)


def test_the_tree_keeps_every_rule(tree: Path) -> None:
    checked = check(tree)
    assert checked.returncode == 0, checked.stdout
    assert "7 kept, 0 broken" in checked.stdout


def test_the_engine_takes_the_core_alone_from_the_packages_face() -> None:
    # The linter lets it import `bloodcell` itself, of which the compiled core is a part.
    for path in (ROOT / "engine").rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        assert set(re.findall(r"^\s*from bloodcell import (.*)$", source, re.MULTILINE)) <= {
            "_core"
        }


PLANTED = [
    ("bloodcell/bench/record.py", "from bloodcell.bench.run import summary",
     "bench.record is not allowed to import bloodcell.bench.run"),
    ("engine/backends/torch.py", "from bloodcell.engine.backends.opening import open_backend",
     "backends.torch is not allowed to import bloodcell.engine.backends.opening"),
    ("engine/batches.py", "from bloodcell.engine.stream import score_stream",
     "engine.batches is not allowed to import bloodcell.engine.stream"),
    ("engine/decode.py", "from bloodcell.scheme import load_scheme",
     "bloodcell.engine is not allowed to import bloodcell.scheme"),
    ("bloodcell/model.py", "from bloodcell.session import Session",
     "bloodcell.model is not allowed to import bloodcell.session"),
    ("engine/lanes.py", "import click", "bloodcell.engine is not allowed to import click"),
    ("bloodcell/evaluation/join.py", "from bloodcell.evaluation.blast import BlastFigures",
     "No cycles are allowed in bloodcell.evaluation"),
    ("bloodcell/input/listing.py", "from bloodcell.input.manifest import freeze_manifest",
     "bloodcell.input.listing is not allowed to import bloodcell.input.manifest"),
    ("bloodcell/novelty.py", "", "not listed as layers: - bloodcell.novelty"),
]  # fmt: skip


def test_each_planted_import_is_refused_by_name(tree: Path) -> None:
    for importer, line, _ in PLANTED:
        with (tree / importer).open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")
    checked = check(tree)
    assert checked.returncode == 1
    output = " ".join(checked.stdout.split())
    assert "0 kept, 7 broken" in output
    for _, _, said in PLANTED:
        assert said in output
