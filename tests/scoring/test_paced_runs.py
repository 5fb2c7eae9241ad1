"""Runs beside a pretended GPU: bytes are the same for any batch, lanes, workers, kill and stop.

What its lanes answer depends on a cell's row alone; that they do so is tests/engine's to show.
"""

import threading
from pathlib import Path

import pytest
from helpers.drawn_runs import CELLS, digests
from helpers.paced_worker import Pace, paced_workers, workers_of

import bloodcell
from bloodcell.errors import Stopped

pytestmark = pytest.mark.usefixtures("small_parts")

SLOW = 2000.0
"""Cells/s: a kill or a stop comes in the middle."""


@pytest.fixture(scope="module")
def expected(smears: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    from bloodcell import scoring

    with pytest.MonkeyPatch.context() as patch, workers_of(Pace(batch=7)):
        patch.setattr(scoring, "ROWS_PER_PART", 16)
        return digests(bloodcell.score(smears, tmp_path_factory.mktemp("paced") / "run").folder)


@pytest.mark.parametrize(
    ("pace", "workers"),
    [
        (Pace(batch=16, lanes=3, engines=SLOW, network=2 * SLOW), 1),
        (Pace(batch=3, lanes=2, decoder=SLOW), 2),
    ],
)
def test_lanes_batches_and_workers_change_no_byte(
    pace: Pace, workers: int, smears: Path, tmp_path: Path, expected: dict[str, str]
) -> None:
    with workers_of(pace):
        run = bloodcell.score(smears, tmp_path / "run", workers=workers)
    assert digests(run.folder) == expected


def test_neither_does_a_killed_worker_or_a_stop(
    smears: Path, tmp_path: Path, expected: dict[str, str]
) -> None:
    stop, killed = threading.Event(), threading.Event()

    def disturb(done: int, _cells: int) -> None:
        if done > CELLS // 3 and not killed.is_set():
            killed.set()
            for worker in paced_workers():
                worker.kill()
        if done > 2 * CELLS // 3:
            stop.set()

    with workers_of(Pace(batch=4, lanes=3, engines=SLOW)):
        with pytest.raises(Stopped):
            bloodcell.score(smears, tmp_path / "run", progress=disturb, stop=stop)
        run = bloodcell.score(smears, tmp_path / "run")
    assert killed.is_set()
    assert digests(run.folder) == expected
