"""The stages of a run, each alone in the run's own configuration: threads, lanes and batches."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bloodcell import _core
from bloodcell.bench import checks
from bloodcell.bench.sample import (
    Part,
    Subject,
    decoded_count,
    drawn_part,
    lanes_of,
    pixels_on_host,
    wait_for,
)
from bloodcell.bench.timing import Numbered, Stage, Work, in_flight, one_by_one, timed_passes
from bloodcell.engine.device_decode import DeviceBatch
from bloodcell.engine.device_lane import DeviceLane
from bloodcell.engine.lanes import HostLane
from bloodcell.engine.rewriting import encoded_images
from bloodcell.engine.source import read_files
from bloodcell.model import load_model
from bloodcell.parts import PartAssembler, part_content
from bloodcell.patients import PatientCounts
from bloodcell.store import RunStore


def stages_of(subject: Subject, part: Part, scratch: Path) -> list[Stage]:
    """All stages of a run, in its order; what is stored goes into the folder ``scratch``."""
    return [
        read_stage(subject),
        gate_stage(subject),
        decode_stage(subject),
        network_stage(subject),
        accumulate_stage(part),
        store_stage(part, scratch / "store"),
    ]


def read_stage(subject: Subject) -> Stage:
    """Files to gated bytes, in one thread as in a run."""
    sample, root = subject.sample, subject.setup.root

    return Stage(
        "read",
        sample.tables,
        sample.cells,
        1,
        lambda: [one_by_one(lambda table: next(read_files(root, [table])))],
        lambda outputs, _passes: checks.check_read(sample, root, outputs),
    )


def gate_stage(subject: Subject) -> Stage:
    """The gate on bytes in memory; each batch has one image more, cut in half."""
    encoded = [encoded_images(batch)[1] for batch in subject.sample.encoded]
    items = [_with_a_half(cells) for cells in encoded if cells]
    return Stage(
        "gate",
        items,
        sum(len(offsets) - 1 for _, offsets in items),
        1,
        lambda: [one_by_one(lambda item: _core.gate(*item))],
        lambda outputs, _passes: checks.check_gate(outputs),
        part_of="read",
    )


def decode_stage(subject: Subject) -> Stage:
    """Encoded bytes to pixels, where the network finds them, on all lanes."""
    sample = subject.sample
    expected = [pixels_on_host(images) for images in sample.images]
    return Stage(
        "decode",
        sample.encoded,
        sample.cells,
        subject.setup.threads,
        lambda: [_decoding(lane) for lane in lanes_of(subject.opened)],
        lambda outputs, _passes: checks.require_equal(
            "decode", expected, map(pixels_on_host, outputs), "other pixels than the sample's"
        ),
    )


def network_stage(subject: Subject) -> Stage:
    """Pixels, where the decoder left them, to probabilities, on all lanes."""
    sample = subject.sample
    items = [images for images in sample.images if decoded_count(images)]
    decoded = [scores.probabilities[scores.reasons == 0] for scores in sample.scores]
    expected = [probabilities for probabilities in decoded if len(probabilities)]
    return Stage(
        "network",
        items,
        sum(map(len, expected)),
        subject.setup.threads,
        lambda: [_running_the_network(lane) for lane in lanes_of(subject.opened)],
        lambda outputs, _passes: checks.require_equal(
            "network", expected, outputs, checks.CUT_ELSEWHERE
        ),
    )


def _decoding(lane: HostLane | DeviceLane) -> Work:
    """A GPU is waited for when all is decoded, and not before."""

    def work(numbered: Numbered) -> Numbered:
        yield from one_by_one(lane.decoder.decode_batch)(numbered)
        wait_for(lane)

    return work


def _running_the_network(lane: HostLane | DeviceLane) -> Work:
    if isinstance(lane, HostLane):
        return one_by_one(lambda images: lane.backend.probabilities(images.pixels))

    def begin(images: DeviceBatch) -> Callable[[], npt.NDArray[np.float32]]:
        return lane.backend.begin(images.parts, decoded_count(images)).probabilities

    return in_flight(begin, lane.depth)


def accumulate_stage(part: Part) -> Stage:
    """A part's probabilities to its patients' counts, in one thread as in a run."""
    names = pc.unique(part.rows["patient"]).sort()

    def works() -> list[Work]:
        counts = PatientCounts(names, part.scheme)

        def accumulate(table: pa.Table) -> Any:
            counts.add_part(table)
            return counts.accumulator

        return [one_by_one(accumulate)]

    return Stage(
        "accumulate",
        [assembled(part)],
        part.rows.num_rows,
        1,
        works,
        lambda outputs, passes: checks.check_accumulate(part, passes, outputs[0]),
    )


def store_stage(part: Part, folder: Path) -> Stage:
    """Scored batches to a part's file on disk, in one thread as in a run."""
    (folder / "cells").mkdir(parents=True)
    store = RunStore(folder)

    def write(part: Part) -> Path:
        store.write_part(0, part_content(assembled(part)))
        return store.part_path(0)

    return Stage(
        "store",
        [part],
        part.rows.num_rows,
        1,
        lambda: [one_by_one(write)],
        lambda outputs, _passes: checks.check_store(part, outputs[0]),
    )


def time_drawn_parts(name: str, cells: int, patients: int, scratch: Path) -> tuple[int, float]:
    """Accumulate or store drawn parts; returns how many cells, whole parts, and the seconds."""
    part = drawn_part(patients, load_model().scheme)
    stage = accumulate_stage(part) if name == "accumulate" else store_stage(part, scratch / "store")
    passes = math.ceil(cells / stage.cells)
    return passes * stage.cells, timed_passes(stage, passes)


def assembled(part: Part) -> pa.Table:
    """The part's table as a run stores it."""
    assembler = PartAssembler(part.rows, part.scheme)
    for batch in part.scores:
        assembler.add(batch)
    return assembler.table()


def _with_a_half(cells: Sequence[npt.NDArray[np.uint8]]) -> tuple[Any, Any]:
    """Buffer and offsets of these images and of the last of them again, cut in half."""
    with_half = [*cells, cells[-1][: len(cells[-1]) // 2]]
    offsets = np.cumsum([0, *map(len, with_half)], dtype=np.int64)
    return np.concatenate(with_half), offsets
