"""What the benchmarks work on: how much, and by which model."""

import os

from bloodcell.model import Model, load_model


def cells(default: int) -> int:
    """BLOODCELL_BENCH_CELLS if it is set, for quick trials and large machines, else `default`."""
    return int(os.environ.get("BLOODCELL_BENCH_CELLS", default))


def model() -> Model:
    """BLOODCELL_BENCH_MODEL if it is set, a name or folder, else the default model."""
    return load_model(os.environ.get("BLOODCELL_BENCH_MODEL"))
