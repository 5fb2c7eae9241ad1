"""Cells a second of opened lanes, by stage and end to end, and whether their results are right."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from math import ceil
from typing import Any

import numpy as np
import pyarrow as pa

from bloodcell.bench.checks import CUT_ELSEWHERE, require, require_equal
from bloodcell.bench.sample import Subject
from bloodcell.bench.stages import decode_stage, network_stage, read_stage
from bloodcell.bench.statistics import rounded_spread
from bloodcell.bench.timing import Numbered, Stage, Work, time_stage, timed_passes
from bloodcell.engine.backends.contract import CPU, Choice
from bloodcell.engine.batches import ScoreBatch, joined_scores
from bloodcell.engine.lanes import open_lanes
from bloodcell.engine.source import batches_of, read_files
from bloodcell.engine.stream import score_stream
from bloodcell.errors import EngineError
from gpu import inputs

ROUNDS = 3
_COMPARED_CELLS = 256
_SECONDS_A_DAY = 86_400


def speeds(subject: Subject) -> dict[str, Any]:
    """Cells/s of every stage, in turn, so that a round is one moment of the machine.

    A stage whose output is wrong has the reason instead, and then there is no ratio.
    """
    stages = [stage(subject) for stage in (read_stage, decode_stage, network_stage)]
    cells_per_s, why_not = _in_rounds([*stages, end_to_end_stage(subject)])
    figures: dict[str, Any] = {"cells_per_s": _spreads(cells_per_s, 1) | why_not}
    if "end_to_end" in cells_per_s:
        a_day = _SECONDS_A_DAY * float(np.median(cells_per_s["end_to_end"]))
        figures["cells_a_day"] = round(a_day)
    if not why_not:
        slower = np.minimum(cells_per_s["decode"], cells_per_s["network"])
        ratios = np.divide(cells_per_s["end_to_end"], slower).tolist()
        figures |= _spreads({"end_to_end_to_slower_of_decode_and_network": ratios}, 3)
    return figures


def copies(subject: Subject) -> dict[str, Any]:
    """Cells/s of the copies alone, and GB/s; raises ImportError without torch."""
    stages = copy_stages(subject)
    cells_per_s, why_not = _in_rounds([stage for stage, _ in stages])
    gb = {stage.name: size / stage.cells / 1e9 for stage, size in stages}
    gb_per_s = {name: [gb[name] * one for one in values] for name, values in cells_per_s.items()}
    return {"cells_per_s": _spreads(cells_per_s, 1) | why_not, "gb_per_s": _spreads(gb_per_s, 3)}


def against_cpu(subject: Subject) -> dict[str, Any]:
    """Some cells' results beside those of the CPU's decoder and FP32 network."""
    choice = Choice("onnxruntime", "compared with", CPU)
    opened = open_lanes(replace(subject.setup, choice=choice, batch_size=None))
    rows = pa.concat_tables(subject.sample.tables).slice(0, _COMPARED_CELLS)
    encoded = read_files(subject.setup.root, batches_of(rows, opened.batch_size))
    count = subject.setup.network.class_count
    expected = joined_scores(score_stream(encoded, opened.lanes), count).probabilities
    scored = joined_scores(subject.sample.scores, count).probabilities[: len(expected)]
    return {
        "cells": len(expected),
        "same_class": round(float((scored.argmax(axis=1) == expected.argmax(axis=1)).mean()), 4),
        "largest_difference": round(float(np.abs(scored - expected).max()), 5),
    }


def warmed_up_run(subject: Subject, cells: int) -> Callable[[], float]:
    """Everything end to end, over at least so many cells."""
    stage = end_to_end_stage(subject)
    timed_passes(stage, 1)
    return partial(timed_passes, stage, ceil(cells / stage.cells))


def end_to_end_stage(subject: Subject) -> Stage:
    """Files to probabilities by the engine's own loop; a run adds parts and patients to it."""
    sample = subject.sample
    expected = [batch.probabilities for batch in sample.scores]

    def check(outputs: list[ScoreBatch], _passes: int) -> None:
        probabilities = [batch.probabilities for batch in outputs]
        require_equal("end to end", expected, probabilities, CUT_ELSEWHERE)

    works = [_end_to_end(subject)]
    return Stage("end_to_end", sample.tables, sample.cells, 1, lambda: works, check)


def _end_to_end(subject: Subject) -> Work:
    scores = subject.sample.scores
    place = {int(batch.rows[0]): number for number, batch in enumerate(scores)}

    def work(numbered: Numbered) -> Numbered:
        owed = [0] * len(place)

        def tables() -> Iterator[pa.Table]:
            for number, table in numbered:
                owed[number % len(place)] += 1
                yield table

        for batch in score_stream(read_files(subject.setup.root, tables()), subject.opened.lanes):
            number = place[int(batch.rows[0])]
            owed[number] -= 1
            yield number, batch
        require("end to end", not any(owed), "a batch lost or given twice")

    return work


def copy_stages(subject: Subject) -> list[tuple[Stage, int]]:
    """What may cross to a GPU and back, pinned, and its bytes; on the CPU copies in memory.

    Raises ImportError without torch.
    """
    import torch

    network, batch = subject.setup.network, subject.opened.batch_size
    pixels = torch.rand(batch, 3, network.input_px, network.input_px)
    first = subject.sample.encoded[0]
    probabilities = torch.rand(batch, network.class_count)
    device = "cuda" if subject.setup.choice.on_gpu else "cpu"
    return [
        _copy_stage("pixels_up", pixels, "cpu", device, batch),
        _copy_stage("encoded_up", torch.from_numpy(first.buffer), "cpu", device, len(first.rows)),
        _copy_stage("probabilities_down", probabilities, device, "cpu", batch),
    ]


def _copy_stage(name: str, content: Any, here: str, there: str, cells: int) -> tuple[Stage, int]:
    import torch

    on_gpu = "cuda" in (here, there)
    source, target = (
        torch.empty_like(content, device=where, pin_memory=on_gpu and where == "cpu")
        for where in (here, there)
    )
    source.copy_(content)

    def work(numbered: Numbered) -> Numbered:
        for number, _ in numbered:
            yield number, target.copy_(source, non_blocking=True)
        if on_gpu:
            torch.cuda.synchronize()

    def check(outputs: list[Any], _passes: int) -> None:
        require(name, torch.equal(outputs[0].cpu(), content), "other content")

    return Stage(name, [name], cells, 1, lambda: [work], check), content.nbytes


def _in_rounds(stages: Sequence[Stage]) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """Cells/s of each stage in every round, by name; and why others cannot be measured."""
    why_not = {stage.name: {"failed": why} for stage in stages if (why := _why_not(stage))}
    cells_per_s: dict[str, list[float]] = {}
    for stage in [stage for stage in stages if stage.name not in why_not] * ROUNDS:
        least_cells = inputs.CELLS if stage.name == "end_to_end" else stage.cells
        cells_per_s.setdefault(stage.name, []).append(1 / time_stage(stage, least_cells))
    return cells_per_s, why_not


def _why_not(stage: Stage) -> str | None:
    """What is wrong with its output, if anything; it is warmed up then."""
    try:
        timed_passes(stage, 1)
    except EngineError as error:
        return str(error)
    return None


def _spreads(figures: dict[str, list[float]], digits: int) -> dict[str, dict[str, float]]:
    return {name: rounded_spread(values, digits) for name, values in figures.items()}
