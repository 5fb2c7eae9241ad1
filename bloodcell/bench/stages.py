"""The stages of a run, each alone in the run's own configuration: threads, lanes and batches."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bloodcell import _core
from bloodcell.bench import checks
from bloodcell.bench.sample import Part, Subject, drawn_part
from bloodcell.bench.timing import Stage, Work, in_flight, one_by_one, timed_passes
from bloodcell.engine.backends.contract import Backend
from bloodcell.engine.batches import EncodedBatch
from bloodcell.engine.device_lane import DeviceLane
from bloodcell.engine.lanes import HostLane
from bloodcell.engine.rewriting import encoded_images
from bloodcell.engine.source import read_files
from bloodcell.model import load_model
from bloodcell.patients import accumulate_part, new_accumulator
from bloodcell.store import PartAssembler, RunStore

Pixels: TypeAlias = npt.NDArray[np.float32]
Probabilities: TypeAlias = npt.NDArray[np.float32]


def stages_of(subject: Subject, scratch: Path) -> list[Stage]:
    """All stages of a run, in its order; what is stored goes into the folder ``scratch``."""
    on_gpu = subject.setup.choice.on_gpu
    return [
        read_stage(subject),
        gate_stage(subject),
        *(gpu_stages(subject) if on_gpu else host_stages(subject)),
        accumulate_stage(subject.part),
        store_stage(subject.part, scratch / "store"),
    ]


def read_stage(subject: Subject) -> Stage:
    """Files to gated bytes, in one thread as in a run."""
    sample, root = subject.sample, subject.setup.root

    def read(table: pa.Table) -> EncodedBatch:
        return next(read_files(root, [table]))

    def check(outputs: list[EncodedBatch], _passes: int) -> None:
        checks.check_read(sample, root, outputs)

    return Stage("read", sample.tables, sample.cells, 1, lambda: [one_by_one(read)], check)


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


def host_stages(subject: Subject) -> list[Stage]:
    """Bytes to pixels and pixels to probabilities, on all lanes of the CPU."""
    lanes = [lane for lane in subject.opened.lanes if isinstance(lane, HostLane)]
    decode = Stage(
        "decode",
        subject.sample.encoded,
        subject.sample.cells,
        subject.setup.threads,
        lambda: [one_by_one(lane.decoder.decode_batch) for lane in lanes],
        lambda outputs, _passes: checks.check_decode(subject.sample, outputs),
    )
    return [decode, _network_stage(subject, [lane.backend for lane in lanes])]


def gpu_stages(subject: Subject) -> list[Stage]:
    """A GPU's lanes whole, and its network alone on pixels from the host.

    Not its decoder alone: pixels that never leave the GPU could not be checked.
    """
    lanes = [lane for lane in subject.opened.lanes if isinstance(lane, DeviceLane)]
    decode_and_network = Stage(
        "decode_and_network",
        subject.sample.encoded,
        subject.sample.cells,
        subject.setup.threads,
        lambda: [in_flight(lane) for lane in lanes],
        lambda outputs, _passes: checks.check_scores(subject.sample, outputs),
    )
    network = _network_stage(subject, [lane.backend for lane in lanes])
    return [decode_and_network, replace(network, part_of=decode_and_network.name)]


def _network_stage(subject: Subject, backends: Sequence[Backend]) -> Stage:
    items = [batch.pixels for batch in subject.sample.images if len(batch.pixels)]
    expected = [_scored_backwards(backends[0], pixels) for pixels in items]
    return Stage(
        "network",
        items,
        sum(map(len, items)),
        subject.setup.threads,
        lambda: [one_by_one(backend.probabilities) for backend in backends],
        lambda outputs, _passes: checks.check_network(expected, outputs),
    )


def _scored_backwards(backend: Backend, pixels: Pixels) -> Probabilities:
    """So that what is expected of a cell does not come from its place in the batch."""
    return backend.probabilities(np.ascontiguousarray(pixels[::-1]))[::-1]


def accumulate_stage(part: Part) -> Stage:
    """A part's probabilities to its patients' counts, in one thread as in a run."""
    names = pc.unique(part.rows["patient"]).sort()

    def works() -> list[Work]:
        accumulator = new_accumulator(len(names), part.scheme)

        def accumulate(table: pa.Table) -> Any:
            accumulate_part(accumulator, names, table)
            return accumulator

        return [one_by_one(accumulate)]

    def check(outputs: list[Any], passes: int) -> None:
        checks.check_accumulate(part, passes, outputs[0])

    table = _assembled(part)
    return Stage("accumulate", [table], table.num_rows, 1, works, check)


def store_stage(part: Part, folder: Path) -> Stage:
    """Scored batches to a part's file on disk, in one thread as in a run."""
    (folder / "cells").mkdir(parents=True)
    store = RunStore(folder)

    def write(part: Part) -> Path:
        store.write_part(0, _assembled(part))
        return store.part_path(0)

    def check(outputs: list[Path], _passes: int) -> None:
        checks.check_store(part, outputs[0])

    return Stage("store", [part], part.rows.num_rows, 1, lambda: [one_by_one(write)], check)


def time_drawn_parts(name: str, cells: int, patients: int, scratch: Path) -> tuple[int, float]:
    """Accumulate or store drawn parts; returns how many cells, whole parts, and the seconds."""
    part = drawn_part(patients, load_model().scheme)
    open_stage = {
        "accumulate": partial(accumulate_stage, part),
        "store": partial(store_stage, part, scratch / "store"),
    }[name]
    stage = open_stage()
    passes = math.ceil(cells / stage.cells)
    return passes * stage.cells, timed_passes(stage, passes)


def _assembled(part: Part) -> pa.Table:
    assembler = PartAssembler(part.rows, part.scheme)
    for batch in part.scores:
        assembler.add(batch)
    return assembler.table()


def _with_a_half(cells: Sequence[npt.NDArray[np.uint8]]) -> tuple[Any, Any]:
    """Buffer and offsets of these images and of the last of them again, cut in half."""
    with_half = [*cells, cells[-1][: len(cells[-1]) // 2]]
    offsets = np.cumsum([0, *map(len, with_half)], dtype=np.int64)
    return np.concatenate(with_half), offsets
