"""What the stages alone work on: a few batches of the input in every state on their way."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from bloodcell import _core
from bloodcell.bench.scoring_options import Scoring
from bloodcell.engine.backends.choice import choose_backend
from bloodcell.engine.batches import EncodedBatch, ImageBatch, ScoreBatch, joined_scores
from bloodcell.engine.device_decode import DeviceBatch, on_host
from bloodcell.engine.device_lane import DeviceLane
from bloodcell.engine.lanes import HostLane, Lanes
from bloodcell.engine.probabilities import PROBABILITY_STEP
from bloodcell.engine.rewriting import encoded_images
from bloodcell.engine.setup import Setup
from bloodcell.engine.source import batches_of, read_files
from bloodcell.engine.stream import score_stream
from bloodcell.errors import InputError
from bloodcell.model import load_model
from bloodcell.scheme import Scheme
from bloodcell.store import ROWS_PER_PART

_SAMPLE_CELLS = 512

Images: TypeAlias = ImageBatch | DeviceBatch


@dataclass(frozen=True)
class Sample:
    """B batches spread evenly over the input, and what became of each, one after the other."""

    tables: list[pa.Table]
    encoded: list[EncodedBatch]
    images: list[Images]
    """By the first lane's decoder; what is on a GPU has been waited for."""
    scores: list[ScoreBatch]
    """By the run's own lanes, from batches that were cut elsewhere."""

    @property
    def cells(self) -> int:
        """In all batches together."""
        return sum(table.num_rows for table in self.tables)


@dataclass(frozen=True)
class Part:
    """The rows of one part with their scores: what is stored and accumulated."""

    rows: pa.Table
    """Columns ``row``, ``path``, ``patient``."""
    scores: list[ScoreBatch]
    scheme: Scheme


@dataclass(frozen=True)
class Subject:
    """What scores, opened, with an input and a sample of it."""

    setup: Setup
    opened: Lanes
    rows: pa.Table
    """Those of the input's manifest, with the column ``row``."""
    sample: Sample


def setup_for(manifest: Path, scoring: Scoring, *, hardware_decoder: bool = False) -> Setup:
    """How `bloodcell.score` would score ``manifest``; raises what it would."""
    model = load_model(scoring.model)
    return Setup(
        choose_backend(scoring.backend),
        model.network,
        model.preprocessing,
        model.smears,
        manifest.parent,
        scoring.batch_size,
        scoring.threads,
        hardware_decoder,
    )


def open_subject(
    manifest: Path, setup: Setup, opened: Lanes, sample_cells: int = _SAMPLE_CELLS
) -> Subject:
    """Read, decode and score a sample of the rows; InputError if no cell of it can be decoded.

    At least a batch a lane, else about ``sample_cells``: their pixels stay in memory.
    """
    rows, batch_size = numbered(pq.read_table(manifest)), opened.batch_size
    batches = list(batches_of(rows, batch_size))
    count = min(len(batches), max(len(opened.lanes), sample_cells // batch_size))
    tables = [batches[place] for place in np.linspace(0, len(batches) - 1, count).astype(int)]
    encoded = list(read_files(setup.root, tables))
    lane = lanes_of(opened)[0]
    images = [lane.decoder.decode_batch(batch) for batch in encoded]
    wait_for(lane)
    if not any(map(decoded_count, images)):
        raise InputError(f"no cell of {count} batches of the input can be decoded")
    # Cut elsewhere, so that what is expected of a cell does not come from its place in a batch.
    elsewhere = batches_of(pa.concat_tables(tables), max(1, 3 * batch_size // 4))
    again = score_stream(read_files(setup.root, elsewhere), opened.lanes)
    scored = joined_scores(again, setup.network.class_count)
    sample = Sample(tables, encoded, images, list(_cut_as(tables, scored)))
    return Subject(setup, opened, rows, sample)


def lanes_of(opened: Lanes) -> list[HostLane | DeviceLane]:
    """Those that work in this process: all that are opened here."""
    return [lane for lane in opened.lanes if isinstance(lane, HostLane | DeviceLane)]


def wait_for(lane: HostLane | DeviceLane) -> None:
    """Until a GPU's lane has done all that it was given; on the CPU everything is done at once."""
    if isinstance(lane, DeviceLane):
        lane.backend.stream.synchronize()


def decoded_count(images: Images) -> int:
    """How many cells of the batch could be decoded."""
    return int((images.reasons == 0).sum())


def pixels_on_host(images: Images) -> npt.NDArray[np.float32]:
    """Of the D decoded cells, in their order; what is on a GPU must have been waited for."""
    if isinstance(images, ImageBatch):
        return images.pixels
    if not images.parts:
        return np.empty((0, 3, 0, 0), np.float32)
    places = np.concatenate([part.places for part in images.parts])
    pixels = [on_host(part.pixels) for part in images.parts]
    return np.concatenate(pixels)[np.argsort(places)]


def _taken(scored: ScoreBatch, places: Any) -> ScoreBatch:
    return ScoreBatch(*(getattr(scored, field.name)[places] for field in fields(ScoreBatch)))


def _cut_as(tables: Sequence[pa.Table], scored: ScoreBatch) -> Iterator[ScoreBatch]:
    start = 0
    for table in tables:
        own = slice(start, start + table.num_rows)
        yield _taken(scored, own)
        start = own.stop


def about_images(manifest: Path) -> dict[str, Any]:
    """Formats and median size of the images, by some spread evenly over ``manifest``."""
    table = numbered(pq.read_table(manifest))
    places = np.linspace(0, table.num_rows - 1, min(table.num_rows, _SAMPLE_CELLS)).astype(int)
    tables = batches_of(table.take(places), batch_size=64)
    images = [
        image for batch in read_files(manifest.parent, tables) for image in encoded_images(batch)[1]
    ]
    if not images:
        raise InputError(f"no image among {len(places)} of the input's files")
    headers = [_core.inspect(image) for image in images]
    return {
        "image_format": ", ".join(sorted({header.format for header in headers})),
        "image_width_px": int(np.median([header.width for header in headers])),
        "image_height_px": int(np.median([header.height for header in headers])),
        "image_kib": round(float(np.median([len(image) for image in images])) / 1024, 1),
    }


def numbered(table: pa.Table) -> pa.Table:
    """``table`` with the column ``row``."""
    return table.append_column("row", pa.array(np.arange(table.num_rows)))


def sampled_part(subject: Subject, scheme: Scheme) -> Part:
    """The first part of the rows, their cells scored as the sample's are, again and again."""
    scored = joined_scores(subject.sample.scores, len(scheme.classes))
    rows = subject.rows.slice(0, ROWS_PER_PART)
    return _part_of(rows, scored, subject.opened.batch_size, scheme)


def drawn_part(patients: int, scheme: Scheme, batch_size: int = 64) -> Part:
    """A whole part of drawn scores, the same at every call; ``patients`` in turn."""
    random = np.random.default_rng(1)
    drawn = random.dirichlet(np.full(len(scheme.classes), 0.1), ROWS_PER_PART)
    probabilities = np.floor(drawn / PROBABILITY_STEP) * PROBABILITY_STEP
    paths = [f"links/{row // 1000}/{row}.jpg" for row in range(ROWS_PER_PART)]
    names = [f"patient-{row % patients:06d}" for row in range(ROWS_PER_PART)]
    rows = numbered(pa.table({"path": paths, "patient": names}))
    scored = ScoreBatch(
        rows["row"].to_numpy(),
        np.zeros(ROWS_PER_PART, np.uint8),
        probabilities.astype(np.float32),
        random.integers(0, 256, (ROWS_PER_PART, 16), np.uint8),
        np.ones(ROWS_PER_PART, np.bool_),
    )
    return _part_of(rows, scored, batch_size, scheme)


def _part_of(rows: pa.Table, scored: ScoreBatch, batch_size: int, scheme: Scheme) -> Part:
    """The rows, scored as those of ``scored`` are, again and again."""
    scores = []
    for table in batches_of(rows, batch_size):
        numbers = table["row"].to_numpy()
        scores.append(replace(_taken(scored, numbers % len(scored.rows)), rows=numbers))
    return Part(rows, scores, scheme)
