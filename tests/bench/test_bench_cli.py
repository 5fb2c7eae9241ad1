"""`bloodcell-bench` as a command: help is quick and whole, and stands in the documents."""

import subprocess
import sys
from pathlib import Path

from helpers.bench_commands import bench

from bloodcell.bench.cli import main

DOCS = Path(__file__).resolve().parents[2] / "docs" / "benchmark.md"


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; from click.testing import CliRunner; from bloodcell.bench.cli import main;"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0;"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    heavy = {"numpy", "pyarrow", "nvidia", "onnxruntime", "torch", "rich", "PIL", "matplotlib"}
    assert heavy.isdisjoint(done.stdout.decode().split())


def test_every_command_and_option_stands_in_the_docs() -> None:
    docs = DOCS.read_text()
    assert list(main.commands) == ["run", "scale", "soak", "peers"]
    for name, command in main.commands.items():
        assert command.help, name
        assert f"## bloodcell-bench {name}" in docs
        for parameter in command.params:
            for option in getattr(parameter, "opts", []):
                if option.startswith("--") and option != "--help":
                    assert f"`{option}" in docs, f"{name} {option}"


def test_wrong_usage_is_status_2() -> None:
    assert bench("scale", "--only", "nothing").exit_code == 2
    assert bench("soak").exit_code == 2
