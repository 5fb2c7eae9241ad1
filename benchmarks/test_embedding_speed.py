"""Cells a second of libbloodcell beside the loop of `score` with ONNX Runtime, two threads each.

The loop decodes JPEGs besides; libbloodcell is given what they decode to.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import pytest
from embedding.test_probabilities import rgb_of
from helpers.embedded import EmbeddedModel, Library, installed

from bloodcell.engine.backends.onnxruntime import OnnxRuntimeBackend
from bloodcell.engine.decode import Decoder
from bloodcell.engine.lanes import HostLane
from bloodcell.engine.source import batches_of, read_files
from bloodcell.engine.stream import score_stream
from bloodcell.model import load_model

CELLS, BATCH, THREADS, PAIRS = 256, 32, 2, 5


@pytest.fixture(scope="module")
def cells(table: pa.Table) -> pa.Table:
    return table.slice(0, CELLS)


def lanes(threads: int) -> list[HostLane]:
    model = load_model()
    return [
        HostLane(
            Decoder(model.preprocessing, batch_size=BATCH, threads=1),
            OnnxRuntimeBackend(model.network, threads=1),
        )
        for _ in range(threads)
    ]


def by_the_loop(cells: pa.Table, folder: Path, lanes: list[HostLane]) -> np.ndarray:
    """Probabilities in the order of rows."""
    scored = list(score_stream(read_files(folder, batches_of(cells, BATCH)), lanes))
    order = np.argsort(np.concatenate([batch.rows for batch in scored]))
    return np.concatenate([batch.probabilities for batch in scored])[order]


def by_the_library(images: list[np.ndarray], model: EmbeddedModel) -> np.ndarray:
    """A thread takes the next batch, as a lane does."""
    parts = [images[first : first + BATCH] for first in range(0, CELLS, BATCH)]
    with ThreadPoolExecutor(THREADS) as pool:
        return np.concatenate([scored for _, scored in pool.map(model.score, parts)])


def seconds(work: Callable[[], np.ndarray], expected: np.ndarray) -> float:
    start = time.perf_counter()
    result = work()
    elapsed_s = time.perf_counter() - start
    assert (result == expected).all()
    return elapsed_s


def test_libbloodcell_beside_the_loop_of_score(
    cells: pa.Table, manifest: Path, tmp_path: Path
) -> None:
    """In turn, so that what else the machine does falls on both."""
    library = Library(installed(tmp_path / "library", tmp_path / "build"))
    model = library.open(load_model().folder, batch_size=BATCH)
    images = rgb_of([manifest.parent / path for path in cells["path"].to_pylist()])
    both = lanes(THREADS)
    expected = by_the_loop(cells, manifest.parent, both)
    ratios = []
    for _ in range(PAIRS):
        loop_s = seconds(lambda: by_the_loop(cells, manifest.parent, both), expected)
        library_s = seconds(lambda: by_the_library(images, model), expected)
        ratios.append(library_s / loop_s)
        click.echo(
            f"{CELLS / loop_s:.0f} cells/s by the loop, {CELLS / library_s:.0f} by the library"
        )
    click.echo(f"median time of the library to that of the loop: {np.median(ratios):.2f}")
