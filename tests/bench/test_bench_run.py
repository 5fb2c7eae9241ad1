"""`bloodcell-bench run`: what it prints and writes, and what is left when it ends early."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers.bench_commands import bench, stand_in
from helpers.started_processes import started
from PIL import Image

from bloodcell.bench import run as run_module
from bloodcell.bench.run import STAGES, UNITS


@pytest.fixture(scope="module")
def measured(smears: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What is printed, and the folder of JSON and chart."""
    folder = tmp_path_factory.mktemp("bench")
    result = bench(
        "run", smears, "--cells", 40, "--repeats", 2, "--batch-size", 8, "--threads", 2,
        "--model", stand_in(folder), "--out", folder / "out",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return result.stdout, folder / "out"


def content(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return record


def test_every_figure_is_measured_in_every_round(measured: tuple[str, Path]) -> None:
    record = content(measured[1])
    assert (record["command"], record["state"], record["why"]) == ("run", "done", None)
    rounds = {(row["figure"], row["round"]) for row in record["measured"]}
    assert rounds == {(figure, number) for figure in UNITS for number in (1, 2)}
    assert all(row["value"] > 0 for row in record["measured"])


def test_a_figure_states_its_spread_and_what_it_depends_on(measured: tuple[str, Path]) -> None:
    record = content(measured[1])
    network = next(row for row in record["figures"] if row["figure"] == "network")
    values = [row["value"] for row in record["measured"] if row["figure"] == "network"]
    assert (network["least"], network["most"]) == (min(values), max(values))
    assert network["median"] == pytest.approx(sum(values) / 2)
    assert (network["repeats"], network["unit"]) == (2, "cells/s")
    assert (network["batch_size"], network["threads"], network["cells"]) == (8, 2, 40)
    assert (network["image_width_px"], network["input_px"], network["drawn"]) == (360, 32, False)
    assert record["machine"]["cores"] == len(os.sched_getaffinity(0))
    assert record["versions"]["python"] == sys.version.split()[0]


def test_the_ratio_is_of_the_same_round(measured: tuple[str, Path]) -> None:
    rows = content(measured[1])["measured"]
    value = {(row["figure"], row["round"]): row["value"] for row in rows}
    for number in (1, 2):
        whole, limit = value["end_to_end", number], value["limit", number]
        assert value["ratio_to_limit", number] == pytest.approx(whole / limit, rel=1e-2)
        assert value["cells_per_day", number] == pytest.approx(86_400 * whole, rel=1e-2)


def test_a_person_sees_a_table(measured: tuple[str, Path]) -> None:
    printed = measured[0]
    for words in ("end to end / limit", "start-up, new process", "peak memory", "stand-in"):
        assert words in printed
    assert all(stage in printed for stage in STAGES)


def test_the_chart_is_svg_or_as_its_name_says(
    measured: tuple[str, Path], smears: Path, tmp_path: Path
) -> None:
    assert (measured[1] / "run.svg").read_text().startswith("<?xml")
    chart = tmp_path / "chart.png"
    words = ("--cells", 8, "--repeats", 1, "--model", stand_in(tmp_path), "--out", chart, "--json")
    result = bench("run", smears, *words)
    with Image.open(chart) as image:
        assert image.format == "PNG"
    assert json.loads(result.stdout) == json.loads((tmp_path / "chart.json").read_text())


def test_without_an_input_phantoms_are_drawn_and_said_to_be(tmp_path: Path) -> None:
    result = bench("run", "--cells", 8, "--repeats", 1, "--model", stand_in(tmp_path))
    assert "drawn phantoms" in result.stdout
    assert result.exit_code == 0


def test_an_interrupted_run_prints_what_was_measured(smears: Path, tmp_path: Path) -> None:
    program = (
        "from bloodcell.bench import cli, timing; timing._LEAST_S = 0.001; "
        "cli.main(prog_name='bloodcell-bench')"
    )
    words = [sys.executable, "-c", program, "run", smears, "--cells", "24", "--repeats", "1000"]
    words += ["--model", stand_in(tmp_path), "--out", tmp_path / "out"]
    with started(words, stdout=subprocess.PIPE) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("round 1, figure decode"):
                break
        os.killpg(process.pid, signal.SIGINT)  # as the terminal does for Ctrl-C
        printed, errors = process.communicate(timeout=60)
    assert process.returncode == 4, errors
    assert "bloodcell-bench: interrupted" in errors
    assert "Traceback" not in errors
    assert "decode" in printed
    record = content(tmp_path / "out")
    assert record["state"] == "interrupted"
    assert {"read", "gate", "decode"} <= {row["figure"] for row in record["figures"]}


def test_a_full_disk_is_one_line_and_what_was_measured(
    smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score, calls = run_module.score_fresh, []

    def fill_up_in_the_second_round(*given: Any) -> dict[str, Any]:
        calls.append(given)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return score(*given)

    monkeypatch.setattr(run_module, "score_fresh", fill_up_in_the_second_round)
    result = bench("run", smears, "--cells", 8, "--repeats", 3, "--model", stand_in(tmp_path))
    assert result.exit_code == 1
    assert "bloodcell-bench: [Errno 28] No space left on device" in result.stderr
    assert "limit of the stages" in result.stdout
    assert "peak memory" not in result.stdout


def test_a_stage_that_does_nothing_ends_the_measurement(
    smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bloodcell.bench.stages.PatientCounts.add_part", lambda *_: None)
    result = bench("run", smears, "--cells", 8, "--repeats", 1, "--model", stand_in(tmp_path))
    assert result.exit_code == 1
    assert "the stage accumulate did not do its work" in result.stderr


def test_a_mistake_is_one_line(tmp_path: Path) -> None:
    result = bench("run", tmp_path / "absent", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"bloodcell-bench: {tmp_path / 'absent'} does not exist")
    assert not (tmp_path / "out").exists()
