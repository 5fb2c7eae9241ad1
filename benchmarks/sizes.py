"""How much the benchmarks work on."""

import os


def cells(default: int) -> int:
    """BLOODCELL_BENCH_CELLS if it is set, for quick trials and large machines, else `default`."""
    return int(os.environ.get("BLOODCELL_BENCH_CELLS", default))
