"""`bloodcell-bench run`: end to end, each stage alone, and how near the one is to the others."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from bloodcell.bench import checks
from bloodcell.bench.fresh import score_fresh
from bloodcell.bench.record import Record, Row
from bloodcell.bench.sample import Subject, about_images, open_subject, sampled_part, setup_for
from bloodcell.bench.scoring_options import Scoring
from bloodcell.bench.stages import stages_of
from bloodcell.bench.statistics import spread
from bloodcell.bench.timing import Stage, time_stage
from bloodcell.engine.lanes import open_lanes
from bloodcell.model import load_model
from bloodcell.run import open_run

STAGES = ("read", "gate", "decode", "network", "accumulate", "store")
_OF_THE_RUN_S = ("first_result_s", "batch_p50_s", "batch_p99_s", "start_up_s", "call_s")
UNITS = {
    **dict.fromkeys((*STAGES, "limit", "end_to_end"), "cells/s"),
    "ratio_to_limit": "",
    "cells_per_day": "cells/day",
    **dict.fromkeys(_OF_THE_RUN_S, "s"),
    "peak_memory_mib": "MiB",
}
"""The figures, in the order in which they are shown."""
_SECONDS_A_DAY = 86_400


def measure_run(
    record: Record, manifest: Path, scoring: Scoring, repeats: int, scratch: Path
) -> None:
    """Measure ``repeats`` rounds over ``manifest`` after one of warm-up; runs go into ``scratch``.

    Every round takes each stage alone, then a whole run in a process of its own, so that the two
    are compared as the machine was at that moment.
    """
    setup = setup_for(manifest, scoring)
    subject = open_subject(manifest, setup, open_lanes(setup))
    checks.check_colours(subject.sample, setup.preprocessing)
    record.settings |= scoring.about() | about_images(manifest)
    record.settings["batch_size"] = subject.opened.batch_size
    part = sampled_part(subject, load_model(scoring.model).scheme)
    stages = stages_of(subject, part, scratch)
    for number in range(repeats + 1):
        out = scratch / f"run-{number}"
        for figure, value in _round(subject, stages, manifest, out, scoring):
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


def _round(
    subject: Subject, stages: list[Stage], manifest: Path, out: Path, scoring: Scoring
) -> Iterator[tuple[str, float]]:
    seconds = {}
    for stage in stages:
        seconds[stage.name] = time_stage(stage, subject.rows.num_rows)
        yield stage.name, round(1 / seconds[stage.name], 1)
    on_gpu = subject.setup.choice.on_gpu
    limit = limit_of(stages, seconds, None if on_gpu else subject.setup.threads)
    yield "limit", round(limit, 1)
    whole = score_fresh(manifest, out, scoring)
    checks.check_run(open_run(out), subject.sample)
    speed = whole["cells"] / whole["session_s"]
    yield "end_to_end", round(speed, 1)
    yield "ratio_to_limit", round(speed / limit, 4)
    yield "cells_per_day", round(_SECONDS_A_DAY * speed)
    for figure in UNITS:
        if whole.get(figure) is not None:
            yield figure, whole[figure]
