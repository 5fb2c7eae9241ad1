"""Writing a report against scoring its cells, and a night's report written and opened."""

import shutil
import time
from pathlib import Path

import sizes
from drawn_nights import drawn_night

import bloodcell
from bloodcell.bench.inputs import repeated_input
from bloodcell.report import write_report

MOST_OF_SCORING = 0.10


def test_a_report_costs_at_most_a_tenth_of_scoring(tmp_path: Path) -> None:
    """Patients of 1,024 cells: of larger ones a smaller part of the cells is shown."""
    source = repeated_input(None, 2048, tmp_path / "input", patients=2)
    run = bloodcell.score(source, tmp_path / "run")
    assert run.record.session
    share = min(seconds_of_writing(run) for _ in range(3)) / run.record.session.elapsed_s
    print(f"\ntwo patients of 1,024 cells: the report takes {100 * share:.1f} % of scoring")
    assert share <= MOST_OF_SCORING


def seconds_of_writing(run: bloodcell.Run) -> float:
    shutil.rmtree(run.folder / "report")
    start = time.perf_counter()
    write_report(run)
    return time.perf_counter() - start


def test_a_night_is_written_and_opened(tmp_path: Path) -> None:
    cells = sizes.cells(100_000)
    run = drawn_night(tmp_path, cells, patients=max(1, cells // 1000))
    times = {}
    for name in ("written", "written again, images kept"):
        start = time.perf_counter()
        write_report(run)
        times[name] = time.perf_counter() - start
    times |= opened(run)
    size = sum(path.stat().st_size for path in (run.folder / "report").rglob("*.*"))
    print(f"\n{cells} cells, {run.patients.num_rows} patients: report of {size / 2**20:.0f} MiB")
    for name, seconds in times.items():
        print(f"  {name}: {seconds:.2f} s")


def opened(run: bloodcell.Run) -> dict[str, float]:
    """Seconds until the overview and a patient's page with all its images are there."""
    from playwright.sync_api import sync_playwright

    report, times = run.folder / "report", {}
    program = shutil.which("chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = chromium.new_page()
        for name, path in (
            ("overview opened", "index.html"),
            ("patient opened", "patients/00001.html"),
        ):
            start = time.perf_counter()
            page.goto((report / path).as_uri())
            is_shown = "images => images.every(one => one.complete && one.naturalWidth)"
            page.wait_for_function(f"({is_shown})([...document.querySelectorAll('img')])")
            times[name] = time.perf_counter() - start
        chromium.close()
    return times
