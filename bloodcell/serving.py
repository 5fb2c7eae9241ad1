"""`bloodcell review serve`: the report at an address of this machine, until asked to stop."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bloodcell.errors import RunError
from bloodcell.report import write_report
from bloodcell.review.answers import parse_answers
from bloodcell.review.apply import apply_answers
from bloodcell.review.server import ReviewServer
from bloodcell.run import open_run

_WAKES_EVERY_S = 0.5


def serve_review(folder: Path, port: int, stop: threading.Event, say: Callable[[str], None]) -> int:
    """Serve the report of a run until ``stop`` is set; returns how often answers were applied.

    ``port`` 0 is any that is free. ``say`` gets the address, for a person. What is being applied
    when it is stopped comes to its end. Raises RunError if ``folder`` is no finished run or has no
    report, InputError if the port is in use.
    """
    report = open_run(folder).folder / "report"
    if not (report / "index.html").is_file():
        raise RunError(f"{report} holds no report: bloodcell report {folder} writes it")
    times = 0

    def apply(saved: bytes) -> dict[str, Any]:
        nonlocal times
        answers = parse_answers(saved, "what was saved")
        applied = apply_answers(open_run(folder), answers, answers.reviewer, "what was saved")
        write_report(applied.run)
        times += 1
        return applied.entries()

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
