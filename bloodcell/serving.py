"""Answers applied and the report with them, by a file or at an address of this machine."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bloodcell.errors import BloodcellError, RunError
from bloodcell.report import write_report
from bloodcell.review.answers import Answers, parse_answers
from bloodcell.review.apply import Applied, apply_answers
from bloodcell.review.server import ReviewServer
from bloodcell.run import Run, open_run

_WAKES_EVERY_S = 0.5


def apply_and_show(
    run: Run, answers: Answers, reviewer: str, source: str
) -> tuple[Applied, str | None]:
    """Apply answers as ``apply_answers`` does, then write what they change of the report.

    Returns what has come of them, and in a line why the report could not be written, if so: the
    answers are applied then all the same.
    """
    applied = apply_answers(run, answers, reviewer, source)
    try:
        write_report(applied.run, answers.patients)
    except (BloodcellError, OSError) as error:
        return applied, f"the answers are applied, but the report is not written anew: {error}"
    return applied, None


def serve_review(folder: Path, port: int, stop: threading.Event, say: Callable[[str], None]) -> int:
    """Serve the report of a run until ``stop`` is set; returns how often answers were applied.

    ``port`` 0 is any that is free, where a browser finds no draft of before. ``say`` gets the
    address, for a person. What is being applied when it is stopped comes to its end. Raises
    RunError if ``folder`` is no finished run or has no report, InputError if the port is in use.
    """
    report = open_run(folder).folder / "report"
    if not (report / "index.html").is_file():
        raise RunError(f"{report} holds no report: bloodcell report {folder} writes it")
    times = 0

    def apply(saved: bytes) -> dict[str, Any]:
        nonlocal times
        answers = parse_answers(saved, "what was saved")
        reviewer = answers.reviewer
        applied, why_not = apply_and_show(open_run(folder), answers, reviewer, "what was saved")
        times += 1
        return applied.entries() | {"report": why_not}

    with ReviewServer(report, apply, port) as server:
        loop = threading.Thread(target=server.serve_forever)
        loop.start()
        try:
            say(f"{server.address}\nOpen this address in a browser of this machine; Ctrl-C ends.")
            # The system may hand a signal to another thread; this one runs its handler once awake.
            while not stop.wait(_WAKES_EVERY_S):
                pass
        finally:
            server.shutdown()
            loop.join()
    return times
