"""`bloodcell-bench` as a command: help is quick and whole, and stands in the documents."""

from pathlib import Path

from helpers.bench_commands import bench
from helpers.command_lines import loaded_by_help, not_in_docs

from bloodcell.bench.cli import main

DOCS = Path(__file__).resolve().parents[2] / "docs" / "benchmark.md"


def test_help_loads_nothing_heavy() -> None:
    heavy = {"numpy", "pyarrow", "nvidia", "onnxruntime", "torch", "rich", "PIL", "matplotlib"}
    assert heavy.isdisjoint(loaded_by_help("bloodcell.bench.cli"))


def test_every_command_and_option_stands_in_the_docs() -> None:
    for name in ("run", "scale", "soak"):
        command = main.commands[name]
        assert command.help
        assert not_in_docs(DOCS.read_text(), f"bloodcell-bench {name}", command) == []


def test_wrong_usage_is_status_2() -> None:
    assert bench("scale", "--only", "nothing").exit_code == 2
    assert bench("soak").exit_code == 2
