"""`bloodcell-bench peers`: bloodcell and its peers in turn over the same cells."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from bloodcell.bench.peers.contender import Classes, batch_size_of, image_paths
from bloodcell.bench.peers.process import ContenderProcess
from bloodcell.bench.record import Record, Row
from bloodcell.bench.scoring_options import Scoring
from bloodcell.bench.statistics import rounded_spread
from bloodcell.errors import EngineError

OWN = "bloodcell"
CONTENDERS = {
    OWN: f"{__package__}.own:Bloodcell",
    "Pillow, DataLoader, torch": f"{__package__}.pillow_torch:PillowTorch",
    "OpenCV, ONNX Runtime": f"{__package__}.opencv_onnxruntime:OpenCVOnnxRuntime",
    "simplejpeg, OpenCV, ONNX Runtime": f"{__package__}.opencv_onnxruntime:SimplejpegOnnxRuntime",
    "DALI, torch": f"{__package__}.dali_torch:DALITorch",
    "DALI, torch.compile": f"{__package__}.dali_torch:DALICompiled",
}
"""Which class each is, by name; bloodcell first."""
LEAST_SAME_CLASS = 0.95
"""Share of the cells that a peer must call as bloodcell does; resized pixels differ in bits."""


def measure_peers(
    record: Record,
    manifest: Path,
    scoring: Scoring,
    rounds: int,
    why_not: dict[str, str],
    *,
    contenders: Mapping[str, str] = CONTENDERS,
) -> None:
    """Score the cells of ``manifest`` by each of ``contenders`` in turn; runs go beside it.

    A peer that cannot run or fails leaves the others to run; its name and the reason come into
    ``why_not``. Raises EngineError if bloodcell itself fails.
    """
    # A batch for each thread.
    first_cells = pq.read_table(manifest).slice(0, scoring.threads * batch_size_of(scoring))
    warm_up = manifest.with_name("warm-up.parquet")
    pq.write_table(first_cells, warm_up)
    with ExitStack() as stack:
        processes = {}
        for name, made_by in contenders.items():
            processes[name] = ContenderProcess(made_by, scoring, warm_up)
            stack.callback(processes[name].close)
        for name, process in processes.items():
            with _given_up_if_it_fails(name, why_not):
                process.wait_until_loaded()
        # The first contender must not be the only one that waits for the disk.
        for path in image_paths(manifest):
            Path(path).read_bytes()
        _let_run(record, processes, manifest, rounds, why_not)


@contextmanager
def _given_up_if_it_fails(name: str, why_not: dict[str, str]) -> Iterator[None]:
    try:
        yield
    except EngineError as error:
        if name == OWN:
            raise
        why_not[name] = str(error)


def _let_run(
    record: Record,
    processes: Mapping[str, ContenderProcess],
    manifest: Path,
    rounds: int,
    why_not: dict[str, str],
) -> None:
    expected: Classes | None = None
    for number, name in turns(list(processes), rounds):
        if name in why_not:
            continue
        with _given_up_if_it_fails(name, why_not):
            scored = processes[name].score(manifest)
            # bloodcell's, which is the first of the first round.
            expected = scored.classes if expected is None else expected
            record.add(
                {
                    "round": number,
                    "contender": name,
                    "cells_per_s": round(len(expected) / scored.elapsed_s, 1),
                    "same_class": round(float(np.mean(scored.classes == expected)), 4),
                }
            )


def turns(names: Sequence[str], rounds: int) -> Iterator[tuple[int, str]]:
    """Round, from 1 on, and name; every other round backwards.

    So a machine that becomes slower or faster favours neither the first nor the last.
    """
    for number in range(1, rounds + 1):
        for name in names if number % 2 else reversed(names):
            yield number, name


def peers_figures(measured: Sequence[Row], why_not: Mapping[str, str]) -> list[Row]:
    """One row a contender: median, least and most of its cells/s and of its ratio, or why not.

    The ratio is bloodcell's cells/s to the contender's of the same round: above 1, bloodcell is
    faster. There is none to a contender whose classes differ too often from bloodcell's.
    """
    own = {row["round"]: row["cells_per_s"] for row in measured if row["contender"] == OWN}
    figures = []
    for name, rows in _by_contender(measured).items():
        ratios = [own[row["round"]] / row["cells_per_s"] for row in rows if row["round"] in own]
        same_class, good = _sameness(rows)
        figures.append(
            {
                "contender": name,
                "cells_per_s": rounded_spread([row["cells_per_s"] for row in rows], 1),
                "ratio": rounded_spread(ratios, 3) if ratios and good else None,
                "same_class": same_class,
            }
        )
    return figures + [{"contender": name, "why_not": why} for name, why in why_not.items()]


def peers_verdicts(measured: Sequence[Row]) -> list[Row]:
    """Whether each peer that scored gave the cells bloodcell's classes."""
    verdicts = []
    for name, rows in _by_contender(measured).items():
        same_class, good = _sameness(rows)
        says = (
            f"{100 * same_class:.1f} % of the cells have bloodcell's class, "
            f"{100 * LEAST_SAME_CLASS:.0f} % are needed"
        )
        verdicts.append({"what": f"same_class: {name}", "good": good, "says": says})
    return verdicts


def _by_contender(measured: Sequence[Row]) -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = {}
    for row in measured:
        rows.setdefault(row["contender"], []).append(row)
    return rows


def _sameness(rows: Sequence[Row]) -> tuple[float, bool]:
    """The least share of cells with bloodcell's class, and whether it is enough."""
    same_class: float = min(row["same_class"] for row in rows)
    return same_class, same_class >= LEAST_SAME_CLASS
