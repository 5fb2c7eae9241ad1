"""`bloodcell-bench soak`: what it says of known series, and that it really scores."""

import itertools
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from helpers.bench_commands import bench, stand_in

from bloodcell.bench import soak
from bloodcell.bench.soak import soak_figures, soak_verdicts

ROUNDS = 60
FLAT = np.full(ROUNDS, 500.0)
NOISE = 20 * np.convolve(np.random.default_rng(2).standard_normal(ROUNDS + 4), np.ones(5), "valid")
"""MiB, each round like the ones before it."""


def rounds(resident_mib: Any, **changes: Any) -> list[dict[str, Any]]:
    """A round a minute, after one of warm-up that used up far more."""
    figures = {"cells_per_s": 200.0, "open_handles": 12, "threads": 7}
    warm_up = {"round": 1, "warm_up": True, "ended_h": 0, **figures, "resident_mib": 9000}
    return [warm_up] + [
        {
            "round": number + 2,
            "warm_up": False,
            "ended_h": (number + 1) / 60,
            "resident_mib": float(value),
            **figures,
            **{name: series[number] for name, series in changes.items()},
        }
        for number, value in enumerate(resident_mib)
    ]


def good(measured: list[dict[str, Any]], negligible_mib: float = 5.0) -> dict[str, bool]:
    verdicts = soak_verdicts(measured, negligible_mib)
    return {verdict["what"]: verdict["good"] for verdict in verdicts}


def test_what_is_flat_or_noisy_does_not_grow() -> None:
    nothing = {"resident_memory": True, "open_handles": True, "threads": True}
    assert good(rounds(FLAT)) == nothing
    assert good(rounds(FLAT + NOISE)) == nothing


def test_memory_grows_by_more_than_noise_and_than_what_is_negligible() -> None:
    leak = np.linspace(0, 12, ROUNDS)
    assert good(rounds(FLAT + leak)) | {"resident_memory": False} == good(rounds(FLAT + leak))
    assert good(rounds(FLAT + leak), negligible_mib=20)["resident_memory"]
    # As much growth below noise of ten times the size is no finding.
    assert good(rounds(FLAT + leak + NOISE))["resident_memory"]
    assert good(rounds(FLAT - leak))["resident_memory"]


def test_one_handle_or_thread_more_at_the_end_is_growth() -> None:
    more = [12] * (ROUNDS - 1) + [13]
    assert not good(rounds(FLAT, open_handles=more))["open_handles"]
    assert not good(rounds(FLAT, threads=more))["threads"]
    assert good(rounds(FLAT, threads=more[::-1]))["threads"]


def test_the_drift_of_the_throughput_is_in_percent_an_hour() -> None:
    speeds = np.linspace(202, 198, ROUNDS)
    figures = {row["figure"]: row for row in soak_figures(rounds(FLAT, cells_per_s=speeds))}
    assert figures["cells_per_s"]["mean"] == 200.0
    assert figures["throughput_drift"]["slope"] == pytest.approx(-2 * 60 / 59, abs=1e-3)


def test_too_few_rounds_are_no_verdict() -> None:
    (verdict,) = soak_verdicts(rounds(FLAT[:5]), 5.0)
    assert not verdict["good"]
    assert "5 rounds after the warm-up, 10 are needed" in verdict["says"]


@pytest.fixture
def eight_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """In three seconds of a clock that is read twice a round, however slow the machine is."""
    ticks = itertools.count(step=0.19)
    monkeypatch.setattr(soak, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    monkeypatch.setattr(soak, "LEAST_ROUNDS", 3)


@pytest.mark.usefixtures("eight_rounds")
def test_it_scores_again_and_again(smears: Path, tmp_path: Path) -> None:
    result = bench(
        "soak", smears, "--minutes", 0.05, "--cells", 8, "--model", stand_in(tmp_path),
        "--negligible-mib", 10_000, "--out", tmp_path / "out",
    )  # fmt: skip
    record = json.loads((tmp_path / "out" / "soak.json").read_text())
    assert record["state"] == "done"
    assert record["settings"]["image_width_px"] == 360
    rounds_done = [row["round"] for row in record["measured"]]
    assert rounds_done == list(range(1, 9))
    assert [row["warm_up"] for row in record["measured"]][:2] == [True, True]
    assert all(
        row["resident_mib"] > 50 and row["open_handles"] > 2 and row["threads"] > 1
        for row in record["measured"]
    )
    assert "resident memory: does not grow" in result.stdout


@pytest.mark.usefixtures("eight_rounds")
def test_growth_is_status_1(smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    score = soak.score_here
    words = ("--minutes", 0.05, "--cells", 8, "--model", stand_in(tmp_path))
    with ExitStack() as kept:

        def leak(*given: Any) -> Any:
            kept.enter_context(Path(__file__).open())
            return score(*given)

        monkeypatch.setattr(soak, "score_here", leak)
        result = bench("soak", smears, *words, "--negligible-mib", 10_000)
    assert result.exit_code == 1
    assert "FAILED open handles" in result.stdout


def test_without_psutil_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    result = bench("soak", "--minutes", 1)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == (
        "bloodcell-bench: soak needs psutil, which is not installed: "
        "pip install 'bloodcell[bench]'\n"
    )
