"""Reading and decoding alone, the network alone, and the whole run, in one process.

The stages share the cores, so the limit is 1 / (1 / decode + 1 / network). Run with
`make bench`; uses the real smears where they are found, drawn cells elsewhere.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bloodcell
from bloodcell.engine.backends import choose_backend, open_backend
from bloodcell.engine.batches import EncodedBatch
from bloodcell.engine.decode import Decoder
from bloodcell.engine.machine import usable_cores
from bloodcell.engine.source import batches_of, read_files
from bloodcell.model import load_model
from bloodcell.phantom import write_phantoms

BATCH_SIZE = 64
REPEATS = 3
CELLS = 4096


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4,096 rows: the images there are, again and again under other names."""
    folder = tmp_path_factory.mktemp("speed")
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    source = Path(os.environ.get("BLOODCELL_DATA", beside)) / "aml-apl" / "test"
    if not source.is_dir():
        source = folder / "drawn"
        write_phantoms(source, patients=4, cells=256)
    images = sorted(source.glob("*/*.jpg"))
    print(f"\n{len(images)} images of {source.name}, repeated to {CELLS} cells")
    (folder / "links").mkdir()
    for number in range(CELLS):
        (folder / "links" / f"{number}.jpg").symlink_to(images[number % len(images)])
    paths = [f"links/{number}.jpg" for number in range(CELLS)]
    pq.write_table(pa.table({"path": paths, "patient": ["p"] * CELLS}), folder / "m.parquet")
    return folder / "m.parquet"


def test_the_whole_runs_near_the_limit_of_its_parts(manifest: Path, tmp_path: Path) -> None:
    model, threads = load_model(), usable_cores()
    table = pq.read_table(manifest).append_column("row", pa.array(np.arange(CELLS)))

    def encoded() -> Iterator[EncodedBatch]:
        return read_files(manifest.parent, batches_of(table, BATCH_SIZE))

    decoder = Decoder(model.preprocessing, batch_size=BATCH_SIZE, threads=threads)
    images = decoder.decode_batch(next(encoded()))
    assert len(images.pixels) == BATCH_SIZE
    backend = open_backend(choose_backend("auto"), model.network, threads)

    def decode_all() -> None:
        for batch in encoded():
            assert len(decoder.decode_batch(batch).pixels) == len(batch.rows)

    def infer_all() -> None:
        for _ in range(CELLS // BATCH_SIZE):
            assert backend.probabilities(images.pixels).shape == (BATCH_SIZE, 18)

    runs: list[float] = []

    def score_all() -> None:
        run = bloodcell.score(manifest, tmp_path / str(len(runs)), batch_size=BATCH_SIZE)
        assert run.about["scored"] == CELLS
        runs.append(run.about["session"]["elapsed_s"])

    ratios = []
    for _ in range(REPEATS):
        decode, network = CELLS / timed(decode_all), CELLS / timed(infer_all)
        score_all()
        whole, limit = CELLS / runs[-1], 1 / (1 / decode + 1 / network)
        ratios.append(whole / limit)
        print(
            f"{threads} threads, batch {BATCH_SIZE}: decode {decode:.0f}, network {network:.0f}, "
            f"limit {limit:.0f}, whole run {whole:.0f} cells/s, ratio {ratios[-1]:.3f}"
        )
    assert np.median(ratios) >= 0.85


def timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
