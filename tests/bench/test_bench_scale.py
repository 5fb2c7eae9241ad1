"""`bloodcell-bench scale`: its points, and what it says of known growth."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.bench_commands import bench

from bloodcell.bench.cli import SERIES
from bloodcell.bench.scale import _WHOLE, Series, all_series, decades, doubled, verdict
from bloodcell.bench.scoring_options import Scoring

SCORING = Scoring(None, "auto", None, 3)


def rows(seconds: list[float], memory_mib: list[float]) -> list[dict[str, Any]]:
    """Points at 10^3, 10^4 and so on."""
    points = enumerate(zip(seconds, memory_mib, strict=True), start=3)
    return [
        {
            "series": "cells", "x": 10**k, "cells": 10**k, "after_first_s": s, "call_s": s + 1.0,
            "peak_memory_mib": m,
        }
        for k, (s, m) in points
    ]  # fmt: skip


def said(measured: list[dict[str, Any]], *, memory_flat: bool = True) -> dict[str, Any]:
    series = Series("cells", "cells", (), time_linear=True, memory_flat=memory_flat, seconds=_WHOLE)
    row = verdict(series, measured)
    assert row is not None
    return row


def test_linear_time_and_flat_memory_are_good() -> None:
    # At 10^3 the fixed cost of a process is all there is; it counts for neither.
    row = said(rows([1.0, 1.1, 11.0, 110.0], [200, 500, 505, 510]))
    assert row["good"]
    assert row["time_slope"] == 1.0
    assert row["memory_ratio"] == 1.02
    assert row["memory_from_x"] == 10**4


def test_time_that_grows_faster_at_the_end_is_not() -> None:
    row = said(rows([1.0, 1.0, 10.0, 300.0], [500] * 4))
    assert not row["good"]
    assert row["time_slope"] == pytest.approx(1.239, abs=1e-3)


def test_what_grows_before_the_first_batch_is_not_hidden() -> None:
    measured = rows([0.1, 1.0, 10.0, 100.0], [500] * 4)
    assert said(measured)["time"] == "after_first_s"
    measured[-1]["call_s"] += 1000.0
    row = said(measured)
    assert not row["good"]
    assert row["time"] == "call_s"


def test_memory_that_grows_is_not() -> None:
    measured = rows([0.1, 1.0, 10.0, 100.0], [400, 500, 520, 560])
    assert not said(measured)["good"]
    assert said(measured, memory_flat=False)["good"]


def test_one_point_says_nothing() -> None:
    assert verdict(Series("cells", "cells", ()), rows([1.0], [1.0])) is None


def test_sizes_go_up_to_what_is_asked_for() -> None:
    assert decades(1000, 10**6) == [10**3, 10**4, 10**5, 10**6]
    assert decades(1000, 25_000) == [1000, 10_000, 25_000]
    assert decades(10**6, 5) == [5]
    assert [doubled(n) for n in (1, 2, 6, 8)] == [[1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8]]


def test_the_command_offers_every_series() -> None:
    sizes = {"largest_cells": 10**6, "largest_parts": 10**8, "largest_patients": 10**5}
    series = {one.name: one for one in all_series(SCORING, **sizes, cells=4096)}
    assert tuple(series) == SERIES
    assert [point.cells for point in series["cells"].points] == [10**3, 10**4, 10**5, 10**6]
    assert [point.cells for point in series["store"].points] == [10**6, 10**7, 10**8]
    assert [point.x for point in series["patients"].points] == [1, 10, 100, 1000, 10**4, 10**5]
    assert [point.scoring.threads for point in series["threads"].points] == [1, 2, 3]
    assert {point.drawn.image_format for point in series["format"].points} == {
        "jpeg", "png", "tiff",
    }  # fmt: skip


def small(scoring: Scoring, **sizes: int) -> list[Series]:
    """All series: two points of cells, as small as can be, and one format."""
    return [
        replace(one, points=[replace(one.points[0], x=x, cells=x) for x in (10, 20)])
        if one.name == "cells"
        else replace(one, points=one.points[:1])
        for one in all_series(scoring, **sizes)
    ]


def test_points_are_measured_each_in_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bloodcell.bench.scale.all_series", small)
    result = bench(
        "scale", "--only", "cells", "--only", "store", "--only", "format", "--cells", 20,
        "--largest-parts", 5000, "--out", tmp_path / "s.svg",
    )  # fmt: skip
    record = json.loads((tmp_path / "s.json").read_text())
    assert record["state"] == "done", result.output
    assert result.exit_code == (0 if all(v["good"] for v in record["verdicts"]) else 1)
    points = [(row["series"], row["x"], row["cells"]) for row in record["measured"]]
    assert points == [
        ("cells", 10, 10),
        ("cells", 20, 20),
        ("store", 5000, 8192),
        ("format", "jpeg", 20),
    ]
    assert all(row["peak_memory_mib"] > 50 and row["call_s"] > 0 for row in record["measured"])
    cells = record["measured"][0]
    assert cells["call_s"] > cells["after_first_s"] > 0
    assert [verdict["series"] for verdict in record["verdicts"]] == ["cells"]
    assert record["settings"]["model"].startswith("stand-in")
    assert record["settings"]["drawn"]
    assert "time grows as x to the power" in result.stdout
    assert (tmp_path / "s.svg").read_text().startswith("<?xml")


def test_growth_is_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = {"scored": 0, "batch_size": 64, "session_s": 1.0, "first_result_s": 1.0}

    def grow(_source: Path, out: Path, _scoring: Scoring) -> dict[str, Any]:
        cells = 10 ** (3 + int(out.parent.name.removeprefix("cells-")))
        return figures | {
            "cells": cells, "scored": cells, "call_s": 1.0 + (cells / 1000) ** 2,
            "peak_memory_mib": 100.0,
        }  # fmt: skip

    monkeypatch.setattr("bloodcell.bench.scale.repeated_input", lambda *_given, **_: Path("none"))
    monkeypatch.setattr("bloodcell.bench.scale.score_fresh", grow)
    result = bench("scale", "--only", "cells", "--largest-cells", 10_000)
    assert result.exit_code == 1
    assert "FAILED cells: time grows as x to the power 2.00 (at most 1.03)" in result.stdout


def test_without_onnx_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    result = bench("scale", "--only", "cells")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "the stand-in network needs onnx, which is not installed" in result.stderr
