"""A process of its own: its figures are its own, and its failure is one line."""

from pathlib import Path

import numpy as np
import pytest
from helpers.bench_commands import stand_in

from bloodcell.bench.fresh import in_fresh_process, score_fresh
from bloodcell.bench.scoring_options import Scoring
from bloodcell.errors import EngineError


def test_peak_memory_is_not_taken_over_from_the_parent(tmp_path: Path) -> None:
    held = np.ones(100_000_000)  # 763 MiB
    figures = in_fresh_process("parts", stage="accumulate", cells=1, patients=1, out=str(tmp_path))
    assert 50 < figures["peak_memory_mib"] < held.nbytes / 2**20


def test_a_run_tells_its_times_in_order(smears: Path, tmp_path: Path) -> None:
    scoring = Scoring(str(stand_in(tmp_path)), "auto", 8, 2)
    figures = score_fresh(smears, tmp_path / "run", scoring)
    assert (figures["cells"], figures["scored"], figures["batch_size"]) == (72, 72, 8)
    assert figures["start_up_s"] > figures["first_result_s"] > 0
    assert figures["call_s"] > figures["session_s"] > figures["batch_p50_s"]
    assert figures["batch_p99_s"] >= figures["batch_p50_s"] > 0


def test_a_failure_is_the_process_s_last_line(smears: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "foreign").touch()
    with pytest.raises(EngineError, match=r"score in a process of its own: .* is not empty"):
        score_fresh(smears, tmp_path / "run", Scoring(None, "auto", None, 1))
