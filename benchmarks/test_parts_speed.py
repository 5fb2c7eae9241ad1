"""Assembling a part of a run and writing it, against data frames of the same columns."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bloodcell.bench.sample import Part, drawn_part
from bloodcell.bench.stages import assembled
from bloodcell.model import load_model
from bloodcell.parts import part_content
from bloodcell.store import RunStore

pytest.importorskip("polars")
import polars as pl

Rows = list[dict[str, Any]]

assembling = pytest.mark.benchmark(group="assemble a part of 4,096 cells")
writing = pytest.mark.benchmark(group="write a part of 4,096 cells as Parquet")


@pytest.fixture(scope="module")
def part() -> Part:
    return drawn_part(patients=10, scheme=load_model().scheme)


class Scored(NamedTuple):
    """What a part's table says of N cells beside their rows."""

    probabilities: npt.NDArray[np.float32]
    """(N, C)."""
    called: npt.NDArray[np.str_]
    blast: npt.NDArray[np.float32]
    """Probability of blast."""
    digests: list[bytes]
    stained: npt.NDArray[np.bool_]


def scored(part: Part) -> Scored:
    probabilities = np.concatenate([batch.probabilities for batch in part.scores])
    return Scored(
        probabilities,
        np.array(part.scheme.codes)[probabilities.argmax(axis=1)],
        probabilities[:, part.scheme.is_blast].sum(axis=1),
        [digest.tobytes() for batch in part.scores for digest in batch.digests],
        np.concatenate([batch.stained for batch in part.scores]),
    )


def pandas_frame(part: Part) -> pd.DataFrame:
    cells = scored(part)
    frame = part.rows.select(["row", "patient", "path"]).to_pandas()
    frame["status"], frame["reason"] = "scored", None
    frame["class"], frame["blast_probability"] = cells.called, cells.blast
    frame["probabilities"] = list(cells.probabilities)
    frame["digest"], frame["stained"] = cells.digests, cells.stained
    return frame


def polars_frame(part: Part) -> pl.DataFrame:
    cells = scored(part)
    frame = pl.from_arrow(part.rows.select(["row", "patient", "path"]))
    assert isinstance(frame, pl.DataFrame)
    return frame.with_columns(
        pl.lit("scored").alias("status"),
        pl.lit(None, pl.String).alias("reason"),
        pl.Series("class", cells.called),
        pl.Series("blast_probability", cells.blast),
        pl.Series("probabilities", cells.probabilities),
        pl.Series("digest", cells.digests),
        pl.Series("stained", cells.stained),
    )


@pytest.fixture(scope="module")
def expected(part: Part) -> Rows:
    rows: Rows = assembled(part).to_pylist()
    return rows


@assembling
def test_part_assembler(benchmark: BenchmarkFixture, part: Part) -> None:
    table = benchmark(assembled, part)
    cells = scored(part)
    own = ["row", "patient", "path"]
    assert table.select(own) == part.rows.select(own)
    assert table["class"].to_pylist() == cells.called.tolist()
    probabilities = np.array(table["probabilities"].to_pylist(), np.float32)
    assert np.array_equal(probabilities, cells.probabilities)


@assembling
def test_pandas_frame(benchmark: BenchmarkFixture, part: Part, expected: Rows) -> None:
    assert rows_of(benchmark(pandas_frame, part)) == expected


@assembling
def test_polars_frame(benchmark: BenchmarkFixture, part: Part, expected: Rows) -> None:
    assert rows_of(benchmark(polars_frame, part)) == expected


def rows_of(frame: pd.DataFrame | pl.DataFrame) -> Rows:
    rows: Rows = frame.to_dict("records") if isinstance(frame, pd.DataFrame) else frame.to_dicts()
    for row in rows:
        row["probabilities"] = [float(value) for value in row["probabilities"]]
        row["reason"] = None if pd.isna(row["reason"]) else row["reason"]
    return rows


@writing
def test_write_part(
    benchmark: BenchmarkFixture, part: Part, expected: Rows, tmp_path: Path
) -> None:
    """Synced and renamed too, which the others are not."""
    (tmp_path / "cells").mkdir()
    store, table = RunStore(tmp_path), assembled(part)
    benchmark(lambda: store.write_part(0, part_content(table)))
    assert pq.read_table(store.part_path(0)).to_pylist() == expected


@writing
def test_pyarrow_alone(
    benchmark: BenchmarkFixture, part: Part, expected: Rows, tmp_path: Path
) -> None:
    benchmark(pq.write_table, assembled(part), tmp_path / "part.parquet")
    assert pq.read_table(tmp_path / "part.parquet").to_pylist() == expected


@writing
def test_pandas_to_parquet(
    benchmark: BenchmarkFixture, part: Part, expected: Rows, tmp_path: Path
) -> None:
    benchmark(pandas_frame(part).to_parquet, tmp_path / "part.parquet")
    assert pq.read_table(tmp_path / "part.parquet").to_pylist() == expected


@writing
def test_polars_write_parquet(
    benchmark: BenchmarkFixture, part: Part, expected: Rows, tmp_path: Path
) -> None:
    benchmark(polars_frame(part).write_parquet, tmp_path / "part.parquet")
    assert pq.read_table(tmp_path / "part.parquet").to_pylist() == expected
