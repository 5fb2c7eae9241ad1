"""`bloodcell-bench` as a command: help is quick and whole, and stands in the documents."""

from pathlib import Path

import pytest
from helpers.bench_commands import bench
from helpers.command_lines import assert_documented, packages_loaded

from bloodcell.bench.cli import main


def test_help_loads_nothing_heavy() -> None:
    heavy = {"numpy", "pyarrow", "nvidia", "onnxruntime", "torch", "rich", "PIL", "matplotlib"}
    assert heavy.isdisjoint(packages_loaded("bloodcell.bench.cli", "--help"))


def test_every_command_and_option_stands_in_the_docs() -> None:
    assert list(main.commands) == ["run", "scale", "soak", "peers"]
    assert_documented(main, "bloodcell-bench", "benchmark.md")


def test_wrong_usage_is_status_2() -> None:
    assert bench("scale", "--only", "nothing").exit_code == 2
    assert bench("soak").exit_code == 2
    assert bench("run", "--threads", "1025").exit_code == 2


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("notes.txt", "is a file"),
        ("folder.svg", "is a folder"),
        ("absent/figures.json", "there is no folder"),
        ("notes.txt/figures", "nothing can be written"),
    ],
)
def test_an_out_that_cannot_be_written_is_refused_before_anything_is_measured(
    tmp_path: Path, name: str, why: str
) -> None:
    (tmp_path / "notes.txt").touch()
    (tmp_path / "folder.svg").mkdir()
    done = bench("run", tmp_path / "absent-too", "--out", tmp_path / name)
    assert done.exit_code == 1
    assert why in done.output
    assert "absent-too" not in done.output
