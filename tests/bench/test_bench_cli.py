"""`bloodcell-bench` as a command: help is quick and whole, and stands in the documents."""

from pathlib import Path

from helpers.bench_commands import bench
from helpers.own_process import packages_loaded_by_help

from bloodcell.bench.cli import main

DOCS = Path(__file__).resolve().parents[2] / "docs" / "benchmark.md"


def test_help_loads_nothing_heavy() -> None:
    heavy = {"numpy", "pyarrow", "nvidia", "onnxruntime", "torch", "rich", "PIL", "matplotlib"}
    assert heavy.isdisjoint(packages_loaded_by_help("bloodcell.bench.cli"))


def test_every_command_and_option_stands_in_the_docs() -> None:
    docs = DOCS.read_text()
    for name in ("run", "scale", "soak"):
        command = main.commands[name]
        assert command.help
        assert f"## bloodcell-bench {name}" in docs
        for parameter in command.params:
            for option in getattr(parameter, "opts", []):
                if option.startswith("--") and option != "--help":
                    assert f"`{option}" in docs, f"{name} {option}"


def test_wrong_usage_is_status_2() -> None:
    assert bench("scale", "--only", "nothing").exit_code == 2
    assert bench("soak").exit_code == 2
