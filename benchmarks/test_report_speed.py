"""Writing a report against scoring its cells, and a night's report written and opened."""

import shutil
import time
from pathlib import Path

import sizes
from drawn_nights import drawn_night

import bloodcell
from bloodcell.report import write_report

MOST_OF_SCORING = 0.10


def test_a_report_costs_at_most_a_tenth_of_scoring(manifest: Path, tmp_path: Path) -> None:
    """The patients are small, so that every cell's image is in it: the dearest a report can be."""
    run = bloodcell.score(manifest, tmp_path / "run")
    assert run.record.session
    shutil.rmtree(run.folder / "report")
    start = time.perf_counter()
    write_report(run)
    share = (time.perf_counter() - start) / run.record.session.elapsed_s
    print(f"\nreport of 512 cells, all shown: {100 * share:.1f} % of the time of scoring them")
    assert share <= MOST_OF_SCORING


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
