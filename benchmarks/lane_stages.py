"""What opened lanes do, as stages that can be timed: each alone, and all of them end to end.

The same on the CPU as on a GPU, where it has not been run yet. Every output is checked.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from decoder_difference import pixels_on_host

from bloodcell.bench.timing import Numbered, Stage, Work, one_by_one
from bloodcell.engine.backends.contract import IN_FLIGHT, Pending
from bloodcell.engine.batches import EncodedBatch, ImageBatch, ScoreBatch
from bloodcell.engine.device_decode import DeviceBatch
from bloodcell.engine.device_lane import DeviceLane
from bloodcell.engine.lanes import HostLane, Lanes, Setup
from bloodcell.engine.source import batches_of, read_files
from bloodcell.engine.stream import score_stream
from bloodcell.errors import EngineError

_SAMPLE_BATCHES = 4

Images: TypeAlias = ImageBatch | DeviceBatch


@dataclass(frozen=True)
class Subject:
    """Lanes, what they work on, and what they must give."""

    setup: Setup
    opened: Lanes
    rows: pa.Table
    tables: list[pa.Table]
    """All rows, a batch each."""
    scores: list[ScoreBatch]
    """Of each table, by the same lanes from batches that were cut elsewhere."""
    encoded: list[EncodedBatch]
    """The first few batches."""
    images: list[Images]
    """What the first lane's decoder makes of these."""

    @property
    def pixels_on(self) -> str:
        """Where the network finds them: ``GPU``, ``host``, or both."""
        places = {
            "host" if type(part.pixels) is np.ndarray else "GPU"
            for images in self.images
            for part in (images.parts if isinstance(images, DeviceBatch) else [images])
        }
        return " and ".join(sorted(places))


def open_subject(setup: Setup, opened: Lanes, rows: pa.Table) -> Subject:
    """``rows``: columns ``row``, 0 to N - 1, and ``path``. EngineError if one is rejected."""
    tables = list(batches_of(rows, opened.batch_size))
    elsewhere = batches_of(rows, max(1, 3 * opened.batch_size // 4))
    scored = in_order(score_stream(read_files(setup.root, elsewhere), opened.lanes))
    if rejected := np.count_nonzero(scored.reasons):
        raise EngineError(f"{rejected} of {rows.num_rows} images were rejected")
    encoded = list(read_files(setup.root, tables[: max(_SAMPLE_BATCHES, len(opened.lanes))]))
    images = [opened.lanes[0].decoder.decode_batch(batch) for batch in encoded]
    scores = list(_cut_as(tables, scored))
    return Subject(setup, opened, rows, tables, scores, encoded, images)


def in_order(batches: Iterable[ScoreBatch]) -> ScoreBatch:
    """All of them as one, by row."""
    ordered = sorted(batches, key=lambda batch: int(batch.rows[0]))
    return ScoreBatch(
        np.concatenate([batch.rows for batch in ordered]),
        np.concatenate([batch.reasons for batch in ordered]),
        np.concatenate([batch.probabilities for batch in ordered]),
    )


def _cut_as(tables: Sequence[pa.Table], scored: ScoreBatch) -> Iterator[ScoreBatch]:
    start = 0
    for table in tables:
        own = slice(start, start + table.num_rows)
        yield ScoreBatch(scored.rows[own], scored.reasons[own], scored.probabilities[own])
        start = own.stop


def stages_of(subject: Subject) -> list[Stage]:
    """Read, decode, network; and end to end, which does all three."""
    return [
        _read_stage(subject),
        _decode_stage(subject),
        _network_stage(subject),
        end_to_end_stage(subject),
    ]


def _read_stage(subject: Subject) -> Stage:
    """Files to gated bytes, in one thread as in a run."""
    root = subject.setup.root

    def read(table: pa.Table) -> tuple[int, int]:
        batch = next(read_files(root, [table]))
        return int((batch.reasons == 0).sum()), int(batch.offsets[-1])

    def check(outputs: list[tuple[int, int]], _passes: int) -> None:
        for found, table in zip(outputs, subject.tables, strict=True):
            paths = table["path"].to_pylist()
            file_bytes = sum((root / path).stat().st_size for path in paths)
            _require("read", found == (len(paths), file_bytes))

    works = [one_by_one(read)]
    return Stage("read", subject.tables, subject.rows.num_rows, 1, lambda: works, check)


def _decode_stage(subject: Subject) -> Stage:
    """Encoded bytes to pixels; a GPU is waited for at the end alone."""
    _wait(subject.opened.lanes[0])
    expected = [pixels_on_host(images) for images in subject.images]

    def check(outputs: list[Images], _passes: int) -> None:
        for found, wanted in zip(outputs, expected, strict=True):
            _require("decode", np.array_equal(pixels_on_host(found), wanted))

    return _sample_stage(subject, "decode", subject.encoded, _decoding, check)


def _network_stage(subject: Subject) -> Stage:
    """Pixels, where the decoder left them, to probabilities."""

    def check(outputs: list[Any], _passes: int) -> None:
        for found, wanted in zip(outputs, subject.scores[: len(outputs)], strict=True):
            _require("network", np.array_equal(found, wanted.probabilities))

    return _sample_stage(subject, "network", subject.images, _running_the_network, check)


def end_to_end_stage(subject: Subject) -> Stage:
    """Files to probabilities by the engine's own loop; a run adds parts and patients to it."""

    def check(outputs: list[ScoreBatch], _passes: int) -> None:
        for found, wanted in zip(outputs, subject.scores, strict=True):
            _require("end to end", np.array_equal(found.probabilities, wanted.probabilities))

    works = [_end_to_end(subject)]
    return Stage("end_to_end", subject.tables, subject.rows.num_rows, 1, lambda: works, check)


def copy_stages(subject: Subject) -> list[tuple[Stage, int]]:
    """What may cross to a GPU and back, pinned, and its bytes; on the CPU copies in memory.

    Raises ImportError without torch.
    """
    import torch

    network, batch = subject.setup.network, subject.opened.batch_size
    pixels = torch.rand(batch, 3, network.input_px, network.input_px)
    encoded = torch.from_numpy(subject.encoded[0].buffer)
    probabilities = torch.rand(batch, network.class_count)
    device = "cuda" if subject.setup.choice.on_gpu else "cpu"
    return [
        _copy_stage("pixels_up", pixels, "cpu", device, batch),
        _copy_stage("encoded_up", encoded, "cpu", device, len(subject.encoded[0].rows)),
        _copy_stage("probabilities_down", probabilities, device, "cpu", batch),
    ]


def _sample_stage(
    subject: Subject,
    name: str,
    items: Sequence[Any],
    work_of: Callable[[Any], Work],
    check: Callable[[list[Any], int], None],
) -> Stage:
    cells = sum(len(batch.rows) for batch in subject.encoded)
    works = [work_of(lane) for lane in subject.opened.lanes]
    return Stage(name, items, cells, subject.setup.threads, lambda: works, check)


def _decoding(lane: HostLane | DeviceLane) -> Work:
    def work(numbered: Numbered) -> Numbered:
        yield from one_by_one(lane.decoder.decode_batch)(numbered)
        _wait(lane)

    return work


def _running_the_network(lane: HostLane | DeviceLane) -> Work:
    if isinstance(lane, HostLane):
        return one_by_one(lambda images: lane.backend.probabilities(images.pixels))

    def work(numbered: Numbered) -> Numbered:
        begun: deque[tuple[int, Pending]] = deque()
        for number, images in numbered:
            begun.append((number, lane.backend.begin(images.parts, len(images.rows))))
            if len(begun) == IN_FLIGHT:
                first, pending = begun.popleft()
                yield first, pending.probabilities()
        for number, pending in begun:
            yield number, pending.probabilities()

    return work


def _end_to_end(subject: Subject) -> Work:
    place = {int(batch.rows[0]): number for number, batch in enumerate(subject.scores)}

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
        _require("end to end", not any(owed))

    return work


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
        _require(name, torch.equal(outputs[0].cpu(), content))

    return Stage(name, [name], cells, 1, lambda: [work], check), content.nbytes


def _wait(lane: Any) -> None:
    if isinstance(lane, DeviceLane):
        lane.backend.stream.synchronize()


def _require(stage: str, good: bool) -> None:
    if not good:
        raise EngineError(f"{stage} gave something else than expected, so its speed means nothing")
