"""What the stages alone work on: a few batches of the input in every state on their way."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from bloodcell import _core
from bloodcell.bench.fresh import Scoring
from bloodcell.engine.backends.choice import choose_backend
from bloodcell.engine.batches import EncodedBatch, ImageBatch, ScoreBatch
from bloodcell.engine.decode import Decoder
from bloodcell.engine.lanes import Lanes, Setup, open_lanes
from bloodcell.engine.probabilities import PROBABILITY_STEP
from bloodcell.engine.rewriting import encoded_images
from bloodcell.engine.source import batches_of, read_files
from bloodcell.errors import InputError
from bloodcell.model import Model, load_model
from bloodcell.scheme import Scheme
from bloodcell.store import ROWS_PER_PART

_SAMPLE_CELLS = 512


@dataclass(frozen=True)
class Sample:
    """B batches spread evenly over the input, and what became of each, one after the other."""

    tables: list[pa.Table]
    encoded: list[EncodedBatch]
    images: list[ImageBatch]
    """Decoded on the CPU, on a GPU's run too."""
    scores: list[ScoreBatch]
    """By the run's own first lane."""

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
    """An input and what scores it, opened as a run opens it."""

    manifest: Path
    cells: int
    scoring: Scoring
    model: Model
    setup: Setup
    opened: Lanes
    sample: Sample
    part: Part


def open_subject(manifest: Path, scoring: Scoring) -> Subject:
    """Open the lanes of a run over ``manifest``; raises what `bloodcell.score` would."""
    model = load_model(scoring.model)
    setup = Setup(
        choice=choose_backend(scoring.backend),
        network=model.network,
        preprocessing=model.preprocessing,
        root=manifest.parent,
        batch_size=scoring.batch_size,
        threads=scoring.threads,
    )
    opened = open_lanes(setup)
    table = numbered(pq.read_table(manifest))
    sample = take_sample(table, setup, opened)
    part = sampled_part(table, sample, opened.batch_size, model.scheme)
    return Subject(manifest, table.num_rows, scoring, model, setup, opened, sample, part)


def take_sample(table: pa.Table, setup: Setup, opened: Lanes) -> Sample:
    """Read, decode and score a sample of the rows; InputError if no cell of it can be decoded.

    At least a batch a lane, else about 512 cells: their pixels stay in memory.
    """
    batch_size = opened.batch_size
    batches = list(batches_of(table, batch_size))
    count = min(len(batches), max(len(opened.lanes), _SAMPLE_CELLS // batch_size))
    tables = [batches[place] for place in np.linspace(0, len(batches) - 1, count).astype(int)]
    encoded = list(read_files(setup.root, tables))
    decoder = Decoder(setup.preprocessing, batch_size=batch_size, threads=setup.threads)
    images = [decoder.decode_batch(batch) for batch in encoded]
    if not any(len(batch.pixels) for batch in images):
        raise InputError(f"no cell of {count} batches of the input can be decoded")
    scores = [opened.lanes[0].begin(batch).finish() for batch in encoded]
    return Sample(tables, encoded, images, scores)


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


def sampled_part(rows: pa.Table, sample: Sample, batch_size: int, scheme: Scheme) -> Part:
    """The first part of the rows, their cells scored as the sample's are, again and again."""
    reasons = np.concatenate([batch.reasons for batch in sample.scores])
    probabilities = np.concatenate([batch.probabilities for batch in sample.scores])
    return _part_of(rows.slice(0, ROWS_PER_PART), reasons, probabilities, batch_size, scheme)


def drawn_part(patients: int, scheme: Scheme, batch_size: int = 64) -> Part:
    """A whole part of drawn scores, the same at every call; ``patients`` in turn."""
    random = np.random.default_rng(1)
    drawn = random.dirichlet(np.full(len(scheme.classes), 0.1), ROWS_PER_PART)
    probabilities = np.floor(drawn / PROBABILITY_STEP) * PROBABILITY_STEP
    rows = numbered(
        pa.table(
            {
                "path": [f"links/{row // 1000}/{row}.jpg" for row in range(ROWS_PER_PART)],
                "patient": [f"patient-{row % patients:06d}" for row in range(ROWS_PER_PART)],
            }
        )
    )
    reasons = np.zeros(ROWS_PER_PART, np.uint8)
    return _part_of(rows, reasons, probabilities.astype(np.float32), batch_size, scheme)


def _part_of(
    rows: pa.Table,
    reasons: npt.NDArray[np.uint8],
    probabilities: npt.NDArray[np.float32],
    batch_size: int,
    scheme: Scheme,
) -> Part:
    scores = []
    for table in batches_of(rows, batch_size):
        numbers = table["row"].to_numpy()
        taken = numbers % len(reasons)
        scores.append(ScoreBatch(numbers, reasons[taken], probabilities[taken]))
    return Part(rows, scores, scheme)
