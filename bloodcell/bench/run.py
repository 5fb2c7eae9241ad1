"""`bloodcell-bench run`: end to end, each stage alone, and how near the one is to the others."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from bloodcell.bench import checks
from bloodcell.bench.fresh import Scoring, score_fresh
from bloodcell.bench.inputs import repeated_input
from bloodcell.bench.record import Record, Row
from bloodcell.bench.sample import Subject, about_images, open_subject
from bloodcell.bench.stages import stages_of
from bloodcell.bench.statistics import spread
from bloodcell.bench.timing import Stage, time_stage
from bloodcell.run import open_run

STAGES = (
    "read", "gate", "decode", "network", "decode_and_network", "accumulate", "store",
)  # fmt: skip
UNITS = {
    **dict.fromkeys(STAGES, "cells/s"),
    "limit": "cells/s",
    "end_to_end": "cells/s",
    "ratio_to_limit": "",
    "cells_per_day": "cells/day",
    "first_result_s": "s",
    "batch_p50_s": "s",
    "batch_p99_s": "s",
    "start_up_s": "s",
    "call_s": "s",
    "peak_memory_mib": "MiB",
}
"""The figures, in the order in which they are shown."""
_SECONDS_A_DAY = 86_400


def measure_run(
    record: Record,
    *,
    source: Path | None,
    cells: int,
    scoring: Scoring,
    repeats: int,
    scratch: Path,
) -> None:
    """Measure ``repeats`` rounds after one of warm-up, in the empty folder ``scratch``.

    Every round takes each stage alone, then a whole run in a process of its own, so that the two
    are compared as the machine was at that moment.
    """
    manifest = repeated_input(source, cells, scratch / "input")
    subject = open_subject(manifest, scoring)
    checks.check_colours(subject.sample, subject.setup.preprocessing)
    record.settings |= scoring.about() | about_images(manifest)
    record.settings["batch_size"] = subject.opened.batch_size
    stages = stages_of(subject, scratch)
    for number in range(repeats + 1):
        for figure, value in _round(subject, stages, scratch / f"run-{number}"):
            if number > 0:
                record.add({"round": number, "figure": figure, "value": value})
        if number == 0:
            record.tell("warm-up done")


def summary(record: Record) -> list[Row]:
    """One row a figure: median, least and most of the rounds, with what it depends on."""
    rows = []
    for figure, unit in UNITS.items():
        values = [row["value"] for row in record.measured if row["figure"] == figure]
        if values:
            rows.append({"figure": figure, "unit": unit, **spread(values), **record.settings})
    return rows


def limit_of(
    stages: Sequence[Stage], seconds: dict[str, float], shared_threads: int | None
) -> float:
    """Cells a second that the stages allow.

    ``seconds``: a cell's, of each stage alone, by name. None can be passed faster than the
    slowest stage; where the stages share CPU threads, nor faster than these get through the
    thread-seconds of all stages, as if none ever waited.
    """
    own = [stage for stage in stages if stage.part_of is None]
    limit = min(1 / seconds[stage.name] for stage in own)
    if shared_threads is not None:
        thread_seconds = sum(stage.threads * seconds[stage.name] for stage in own)
        limit = min(limit, shared_threads / thread_seconds)
    return limit


def _round(subject: Subject, stages: list[Stage], out: Path) -> Iterator[tuple[str, float]]:
    seconds = {}
    for stage in stages:
        seconds[stage.name] = time_stage(stage, subject.cells)
        yield stage.name, round(1 / seconds[stage.name], 1)
    on_gpu = subject.setup.choice.on_gpu
    limit = limit_of(stages, seconds, None if on_gpu else subject.setup.threads)
    yield "limit", round(limit, 1)
    whole = score_fresh(subject.manifest, out, subject.scoring)
    checks.check_run(open_run(out), subject.sample)
    speed = whole["cells"] / whole["session_s"]
    yield "end_to_end", round(speed, 1)
    yield "ratio_to_limit", round(speed / limit, 4)
    yield "cells_per_day", round(_SECONDS_A_DAY * speed)
    for figure in UNITS:
        if whole.get(figure) is not None:
            yield figure, whole[figure]
