"""`bloodcell-bench` as a command: help is quick and whole, and stands in the documents."""

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
