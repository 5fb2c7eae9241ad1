"""What the tests of `bloodcell-bench` share: a quick call of it, and a model that costs nothing."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bloodcell.bench import timing
from bloodcell.bench.cli import main
from bloodcell.bench.stand_in import write_stand_in


def bench(*words: object) -> Result:
    """The command in this process, each stage timed no longer than it must be."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "_LEAST_S", 0.001)
        return CliRunner().invoke(main, [str(word) for word in words])


def stand_in(folder: Path) -> Path:
    return write_stand_in(folder / "model")
