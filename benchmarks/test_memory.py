"""Peak memory of a run must not grow with the number of cells.

Ten times the cells, at most 10 % more memory. Takes minutes: BLOODCELL_BENCH_CELLS (100,000 by
default) sets the larger number of cells. The cells are drawn.
"""

import os
import subprocess
import sys
from pathlib import Path

from bloodcell.phantom import write_phantoms

CELLS = int(os.environ.get("BLOODCELL_BENCH_CELLS", "100000"))
PATIENTS = 100


def peak_memory_mib(source: Path, out: Path, cells: int) -> float:
    """Peak resident memory of `bloodcell score` in a process of its own."""
    program = (
        "import resource, sys, bloodcell\n"
        "run = bloodcell.score(sys.argv[1], sys.argv[2])\n"
        "print(run.about['scored'], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    words = [sys.executable, "-c", program, str(source), str(out)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    scored, peak_kib = map(int, done.stdout.split())
    assert scored == cells
    return peak_kib / 1024


def test_ten_times_the_cells_need_no_more_memory(tmp_path: Path) -> None:
    peaks = {}
    for cells in (CELLS // 10, CELLS):
        source = tmp_path / f"drawn-{cells}"
        write_phantoms(source, patients=PATIENTS, cells=cells // PATIENTS, distinct=180, link=True)
        peaks[cells] = peak_memory_mib(source, tmp_path / f"run-{cells}", cells)
        print(f"\n{cells} drawn cells: peak {peaks[cells]:.0f} MiB")
    assert peaks[CELLS] <= 1.10 * peaks[CELLS // 10]
