"""What several benchmarks work on."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bloodcell.bench.inputs import repeated_input
from bloodcell.bench.sample import numbered
from bloodcell.engine.batches import EncodedBatch
from bloodcell.engine.source import read_files


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """512 drawn JPEG cells of 360 px, as a manifest."""
    return repeated_input(None, 512, tmp_path_factory.mktemp("drawn"))


@pytest.fixture(scope="session")
def table(manifest: Path) -> pa.Table:
    """The manifest's rows, numbered."""
    return numbered(pq.read_table(manifest))


@pytest.fixture(scope="session")
def encoded(manifest: Path, table: pa.Table) -> EncodedBatch:
    """The same in memory."""
    (batch,) = read_files(manifest.parent, [table])
    return batch
