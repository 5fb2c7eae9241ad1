"""The header gate, and reading with it, against Python and Pillow; on one thread."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture

from bloodcell import _core
from bloodcell.engine.batches import EncodedBatch
from bloodcell.engine.rewriting import encoded_images
from bloodcell.engine.source import read_files

WIDTH, HEIGHT = 360, 360


@pytest.fixture(scope="module")
def images(encoded: EncodedBatch) -> list[bytes]:
    return [bytes(image) for image in encoded_images(encoded)[1]]


gate = pytest.mark.benchmark(group="header gate, images in memory")
read = pytest.mark.benchmark(group="read and gate, files on disk")


@gate
def test_gate(benchmark: BenchmarkFixture, encoded: EncodedBatch) -> None:
    reasons = benchmark(_core.gate, encoded.buffer, encoded.offsets)
    assert len(reasons) == len(encoded.rows)
    assert not reasons.any()
    cut = encoded.offsets.copy()
    cut[-1] -= 1000
    # Pillow opens this last one without a complaint.
    assert np.flatnonzero(_core.gate(encoded.buffer, cut)).tolist() == [len(reasons) - 1]


@gate
def test_pillow_open(benchmark: BenchmarkFixture, images: list[bytes]) -> None:
    def sizes() -> list[tuple[int, int]]:
        return [Image.open(io.BytesIO(image)).size for image in images]

    assert benchmark(sizes) == [(WIDTH, HEIGHT)] * len(images)


@read
def test_read_files(
    benchmark: BenchmarkFixture, manifest: Path, table: pa.Table, images: list[bytes]
) -> None:
    (batch,) = benchmark(lambda: list(read_files(manifest.parent, [table])))
    assert batch.buffer.tobytes() == b"".join(images)
    assert not batch.reasons.any()


@read
def test_python_and_pillow_open(
    benchmark: BenchmarkFixture, manifest: Path, table: pa.Table, images: list[bytes]
) -> None:
    def read_each() -> list[bytes]:
        contents = []
        for path in table["path"].to_pylist():
            content = Path(manifest.parent, path).read_bytes()
            assert Image.open(io.BytesIO(content)).size == (WIDTH, HEIGHT)
            contents.append(content)
        return contents

    assert benchmark(read_each) == images


@read
def test_python_without_a_gate(
    benchmark: BenchmarkFixture, manifest: Path, table: pa.Table, images: list[bytes]
) -> None:
    def read_each() -> list[bytes]:
        contents = []
        for path in table["path"].to_pylist():
            with open(f"{manifest.parent}/{path}", "rb", buffering=0) as file:  # noqa: PTH123
                contents.append(file.read())
        return contents

    assert benchmark(read_each) == images
