"""Writing a report against scoring its cells, and a night's report written and opened."""

import shutil
import time
from pathlib import Path

import pytest
import sizes
from drawn_nights import drawn_night
from helpers.chromium import chromium
from helpers.reviews import answers_of

import bloodcell
from bloodcell.bench.inputs import repeated_input
from bloodcell.report import write_report
from bloodcell.review.planned import plan_path
from bloodcell.serving import apply_and_show

MOST_OF_SCORING = 0.10
MOST_OF_ONE = 10


@pytest.mark.parametrize(
    ("patients", "cells"), [(10, 512), (12, 2048), (2, 2048)], ids=["51", "170", "1024"]
)
def test_a_report_costs_at_most_a_tenth_of_scoring(
    patients: int, cells: int, tmp_path: Path
) -> None:
    """Patients of up to 200 cells are shown whole; of larger ones a part of the cells."""
    source = repeated_input(None, cells, tmp_path / "input", patients=patients)
    run = bloodcell.score(source, tmp_path / "run")
    assert run.record.session
    share = min(seconds_of_writing(run) for _ in range(3)) / run.record.session.elapsed_s
    print(
        f"\n{patients} patients of {cells // patients} cells: the report takes "
        f"{100 * share:.1f} % of scoring"
    )
    assert share <= MOST_OF_SCORING


def seconds_of_writing(run: bloodcell.Run) -> float:
    """As the first time, with the plan; templates are compiled while the worker starts."""
    shutil.rmtree(run.folder / "report")
    plan_path(run).unlink()
    start = time.perf_counter()
    write_report(run)
    return time.perf_counter() - start


def test_a_night_is_written_opened_and_reviewed(tmp_path: Path) -> None:
    cells = sizes.cells(100_000)
    run = drawn_night(tmp_path / "night", cells, patients=max(1, cells // 1000))
    times = {}
    for name in ("written", "written again, images kept"):
        start = time.perf_counter()
        write_report(run)
        times[name] = time.perf_counter() - start
    times |= opened(run)
    alone = drawn_night(tmp_path / "alone", 1000, patients=1)
    write_report(alone)
    among_all, of_one = seconds_of_applying(run), seconds_of_applying(alone)
    times["answers of one patient applied and shown"] = among_all
    times["the same in a run of one patient"] = of_one
    size = sum(path.stat().st_size for path in (run.folder / "report").rglob("*.*"))
    print(f"\n{cells} cells, {run.patients.num_rows} patients: report of {size / 2**20:.0f} MiB")
    for name, seconds in times.items():
        print(f"  {name}: {seconds:.2f} s")
    assert among_all <= MOST_OF_ONE * of_one


def seconds_of_applying(run: bloodcell.Run) -> float:
    """Of the second round of a patient, as a served page has it."""
    name = run.patients["patient"][0].as_py()
    seconds = 0.0
    for _ in range(2):
        answers = answers_of(run, lambda row: "monocyte" if row % 7 else "lymphocyte", [name])
        start = time.perf_counter()
        apply_and_show(run, answers, "A", "answers")
        seconds = time.perf_counter() - start
    return seconds


def opened(run: bloodcell.Run) -> dict[str, float]:
    """Seconds until the overview and a patient's page with all its images are there."""
    report, times = run.folder / "report", {}
    with chromium() as browser:
        page = browser.new_page()
        for name, path in (
            ("overview opened", "index.html"),
            ("patient opened", "patients/00001.html"),
        ):
            start = time.perf_counter()
            page.goto((report / path).as_uri())
            is_shown = "images => images.every(one => one.complete && one.naturalWidth)"
            page.wait_for_function(f"({is_shown})([...document.querySelectorAll('img')])")
            times[name] = time.perf_counter() - start
    return times
