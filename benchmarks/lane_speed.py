"""Cells a second of opened lanes, by stage and end to end, and whether their results are right.

Not run on a GPU yet; the tests measure the CPU's lanes.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import ceil
from typing import Any

import numpy as np
from lane_stages import Subject, copy_stages, end_to_end_stage, in_order, stages_of

from bloodcell.bench.statistics import spread
from bloodcell.bench.timing import Stage, timed_passes
from bloodcell.engine.backends.contract import CPU, Choice
from bloodcell.engine.lanes import open_lanes
from bloodcell.engine.source import batches_of, read_files
from bloodcell.engine.stream import score_stream
from bloodcell.errors import EngineError

ROUNDS = 3
STAGE_S, END_TO_END_S = 0.3, 1.5
"""How long a stage, and all together, run in a round at least."""
_COMPARED_CELLS = 256
_SECONDS_A_DAY = 86_400


def speeds(subject: Subject) -> dict[str, Any]:
    """Cells/s of every stage, in turn, so that a round is one moment of the machine.

    A stage whose output is wrong has the reason instead, and then there is no ratio.
    """
    found, why_not = _in_rounds(stages_of(subject))
    figures = {"cells_per_s": _spreads(found, 1) | why_not}
    if "end_to_end" in found:
        figures["cells_a_day"] = round(_SECONDS_A_DAY * float(np.median(found["end_to_end"])))
    if not why_not:
        slower = np.minimum(found["decode"], found["network"])
        ratios = np.divide(found["end_to_end"], slower).tolist()
        figures |= _spreads({"end_to_end_to_slower_of_decode_and_network": ratios}, 3)
    return figures


def copies(subject: Subject) -> dict[str, Any]:
    """Cells/s of the copies alone, and GB/s; raises ImportError without torch."""
    stages = copy_stages(subject)
    found, why_not = _in_rounds([stage for stage, _ in stages])
    gb = {stage.name: size / stage.cells / 1e9 for stage, size in stages}
    gb_per_s = {name: [gb[name] * one for one in values] for name, values in found.items()}
    return {"cells_per_s": _spreads(found, 1) | why_not, "gb_per_s": _spreads(gb_per_s, 3)}


def against_cpu(subject: Subject) -> dict[str, Any]:
    """The first cells' results beside those of the CPU's decoder and FP32 network."""
    choice = Choice("onnxruntime", "compared with", CPU)
    setup = replace(subject.setup, choice=choice, batch_size=None)
    opened = open_lanes(setup)
    tables = batches_of(subject.rows.slice(0, _COMPARED_CELLS), opened.batch_size)
    expected = in_order(score_stream(read_files(setup.root, tables), opened.lanes)).probabilities
    found = in_order(subject.scores).probabilities[: len(expected)]
    return {
        "cells": len(expected),
        "same_class": round(float((found.argmax(axis=1) == expected.argmax(axis=1)).mean()), 4),
        "largest_difference": round(float(np.abs(found - expected).max()), 5),
    }


def warmed_up_run(subject: Subject, least_s: float) -> Callable[[], float]:
    """Everything end to end, for about so long, at least once."""
    stage = end_to_end_stage(subject)
    return partial(timed_passes, stage, max(1, _warmed_up(stage, least_s)))


def _in_rounds(stages: Sequence[Stage]) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """Cells/s of each stage in every round, by name; and those that cannot be measured."""
    tried = [(stage, _passes_or_why_not(stage)) for stage in stages]
    good = [(stage, passes) for stage, passes in tried if isinstance(passes, int)]
    rounds = [
        {stage.name: passes * stage.cells / timed_passes(stage, passes) for stage, passes in good}
        for _ in range(ROUNDS)
    ]
    found = {stage.name: [one[stage.name] for one in rounds] for stage, _ in good}
    return found, {stage.name: {"failed": why} for stage, why in tried if isinstance(why, str)}


def _passes_or_why_not(stage: Stage) -> int | str:
    try:
        return _warmed_up(stage, END_TO_END_S if stage.name == "end_to_end" else STAGE_S)
    except EngineError as error:
        return str(error)


def _warmed_up(stage: Stage, least_s: float) -> int:
    """How many passes take so long."""
    timed_passes(stage, 1)
    return ceil(least_s / timed_passes(stage, 1))


def _spreads(found: dict[str, list[float]], digits: int) -> dict[str, dict[str, float]]:
    return {
        name: {key: round(value, digits) for key, value in spread(values).items()}
        for name, values in found.items()
    }
