"""What the digest of each image adds to reading it, and to a run; on one thread, in one run."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bloodcell import _core
from bloodcell.bench.inputs import repeated_input
from bloodcell.bench.sample import numbered
from bloodcell.engine.decode import Decoder
from bloodcell.engine.rewriting import encoded_images
from bloodcell.engine.source import batches_of, read_files
from bloodcell.model import load_model

CELLS, DECODED, BATCH_SIZE, ROUNDS = 2048, 128, 32, 7
MOST_OF_DECODING = 0.01
BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pa.Table]:
    """Real images where there are some, else drawn ones; their folder and rows."""
    real = Path(os.environ.get("BLOODCELL_DATA", BESIDE)) / "aml-apl" / "test"
    folder = tmp_path_factory.mktemp("images")
    manifest = repeated_input(real if real.is_dir() else None, CELLS, folder)
    return folder, numbered(pq.read_table(manifest))


def least_s(work: Callable[[], object]) -> float:
    """Seconds of the fastest of some rounds: other work on the machine only adds."""
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def test_a_digest_costs_little_of_reading_and_next_to_nothing_of_decoding(
    rows: tuple[Path, pa.Table],
) -> None:
    folder, table = rows
    batches = list(read_files(folder, batches_of(table, BATCH_SIZE)))
    images = [image for batch in batches for image in encoded_images(batch)[1]]
    decoder = Decoder(load_model().preprocessing, batch_size=BATCH_SIZE, threads=1)
    some = batches[: DECODED // BATCH_SIZE]
    for batch in some:
        decoder.decode_batch(batch)
    read_s = least_s(lambda: list(read_files(folder, batches_of(table, BATCH_SIZE)))) / CELLS
    digest_s = least_s(lambda: [_core.digest(image) for image in images]) / len(images)
    decode_s = least_s(lambda: [decoder.decode_batch(batch) for batch in some]) / DECODED
    kib = sum(map(len, images)) / len(images) / 1024
    print(
        f"\n{kib:.1f} KiB an image: digest {1e6 * digest_s:.2f} us, reading and gating with it "
        f"{1e6 * read_s:.2f} us, {read_s / (read_s - digest_s):.3f} times that without; "
        f"{100 * digest_s / decode_s:.2f} % of decoding ({1e6 * decode_s:.0f} us)"
    )
    assert digest_s < MOST_OF_DECODING * decode_s
