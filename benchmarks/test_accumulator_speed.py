"""Accumulator.add against pandas, polars and NumPy doing the same count.

BLOODCELL_BENCH_CELLS sets the number of cells (default 10 million, which needs about 4 GB). All
sides start from the same arrays in memory. pandas and NumPy use one thread, polars as many as
it likes; they are not asked for the most suspicious rows, and check nothing; the accumulator does
both, on one thread.
"""

import time
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from sizes import cells as cells_or

from bloodcell._core import BLAST_LOG_ODDS_EDGES, Accumulator

pytest.importorskip("polars")
import polars as pl

CELLS = cells_or(10_000_000)
PATIENTS = 500
CLASSES = 18
BINS = 64
ROUNDS = 5
BLASTS = np.array([3, 11])
IS_BLAST = np.isin(np.arange(CLASSES), BLASTS)
IS_LEUKOCYTE = np.arange(CLASSES) < 15

Patients: TypeAlias = npt.NDArray[np.int32]
Probabilities: TypeAlias = npt.NDArray[np.float32]
Cells: TypeAlias = tuple[Patients, npt.NDArray[np.int64], Probabilities]
Counts: TypeAlias = npt.NDArray[np.int64]
Frame: TypeAlias = pd.DataFrame | pl.DataFrame
Table: TypeAlias = Counts | pd.Series | pl.DataFrame
Tables: TypeAlias = tuple[Table, Table]
"""Counts by patient and class, by patient and bin."""

of_millions = pytest.mark.skipif(CELLS < 10**6, reason="the ratio is that of a million or more")


@pytest.fixture(scope="module")
def cells() -> Cells:
    """Patient, row and probabilities of cells whose class is mostly clear, in shuffled order."""
    rng = np.random.default_rng(0)
    probability = rng.random((CELLS, CLASSES), dtype=np.float32)
    probability **= 12
    probability /= probability.sum(axis=1, keepdims=True)
    probability *= 65536
    np.rint(probability, out=probability)
    probability /= 65536
    return rng.integers(0, PATIENTS, CELLS, dtype=np.int32), np.arange(CELLS), probability


def accumulate(
    patient: Patients, row: npt.NDArray[np.int64], probability: Probabilities
) -> Accumulator:
    accumulator = Accumulator(PATIENTS, IS_BLAST, IS_LEUKOCYTE)
    accumulator.add(patient, row, probability)
    return accumulator


def called_and_bin(probability: Probabilities) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]:
    """Return each cell's class and histogram bin, as one would compute them with NumPy."""
    blast = np.minimum(probability[:, BLASTS].sum(axis=1, dtype=np.float64), 1)
    with np.errstate(divide="ignore"):
        log_odds = np.log(blast / (1 - blast))
    bins = np.clip(np.floor(4 * log_odds) + BINS // 2, 0, BINS - 1).astype(np.int8)
    return probability.argmax(axis=1).astype(np.int8), bins


def pandas_groupby(frame: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    classes = frame.groupby(["patient", "class"]).size()
    leukocytes = frame[IS_LEUKOCYTE[frame["class"]]]
    return classes, leukocytes.groupby(["patient", "bin"]).size()


def columns(patient: Patients, probability: Probabilities) -> dict[str, npt.NDArray[np.generic]]:
    called, bins = called_and_bin(probability)
    return {"patient": patient, "class": called, "bin": bins}


def polars_groupby(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    classes = frame.group_by("patient", "class").len()
    leukocytes = frame.filter(pl.Series(IS_LEUKOCYTE[frame["class"].to_numpy()]))
    return classes, leukocytes.group_by("patient", "bin").len()


def pandas_as_written(patient: Patients, probability: Probabilities) -> tuple[pd.Series, pd.Series]:
    """Count with pandas alone: idxmax, cut and groupby, as one would write it first."""
    frame = pd.DataFrame(probability)
    called = frame.idxmax(axis=1)
    blast = np.minimum(frame[BLASTS.tolist()].sum(axis=1).astype(np.float64), 1)
    edges = np.array(BLAST_LOG_ODDS_EDGES)
    edges[[0, -1]] = -np.inf, np.inf
    with np.errstate(divide="ignore"):
        log_odds = np.log(blast / (1 - blast))
    bins = pd.cut(log_odds, edges, right=False, labels=False, include_lowest=True)
    cells = pd.DataFrame({"patient": patient, "class": called, "bin": bins})
    return pandas_groupby(cells)


def numpy_bincount(patient: Patients, probability: Probabilities) -> tuple[Counts, Counts]:
    called, bins = called_and_bin(probability)
    leukocyte = IS_LEUKOCYTE[called]
    classes = np.bincount(patient * CLASSES + called, minlength=PATIENTS * CLASSES)
    histogram = np.bincount(patient[leukocyte] * BINS + bins[leukocyte], minlength=PATIENTS * BINS)
    return classes.reshape(PATIENTS, CLASSES), histogram.reshape(PATIENTS, BINS)


@pytest.fixture(scope="module")
def expected(cells: Cells) -> tuple[Counts, Counts]:
    patient, _, probability = cells
    return numpy_bincount(patient, probability)


def assert_counts(counted: Accumulator | Tables, expected: tuple[Counts, Counts]) -> None:
    if isinstance(counted, Accumulator):
        counted = counted.class_counts, counted.blast_histogram
    for table, counts in zip(counted, expected, strict=True):
        np.testing.assert_array_equal(as_matrix(table, counts.shape[1]), counts)


def as_matrix(table: Table, columns: int) -> Counts:
    if isinstance(table, np.ndarray):
        return table
    matrix = np.zeros((PATIENTS, columns), dtype=np.int64)
    if isinstance(table, pd.Series):
        patient, column, count = *map(table.index.get_level_values, (0, 1)), table
    else:
        patient, column, count = (series.to_numpy() for series in table.get_columns())
    matrix[patient, column] = count
    return matrix


timed = pytest.mark.benchmark(group=f"accumulate {CELLS:,} cells of {CLASSES} classes")


@timed
def test_accumulator_add(
    benchmark: BenchmarkFixture, cells: Cells, expected: tuple[Counts, Counts]
) -> None:
    counted = benchmark.pedantic(accumulate, cells, rounds=ROUNDS, warmup_rounds=1)
    assert_counts(counted, expected)


@timed
@pytest.mark.parametrize(
    "count",
    [
        numpy_bincount,
        pandas_as_written,
        lambda p, q: pandas_groupby(pd.DataFrame(columns(p, q))),
        lambda p, q: polars_groupby(pl.DataFrame(columns(p, q))),
    ],
    ids=["numpy", "pandas_as_first_written", "pandas", "polars"],
)
def test_from_probabilities(
    benchmark: BenchmarkFixture,
    cells: Cells,
    expected: tuple[Counts, Counts],
    count: Callable[[Patients, Probabilities], Tables],
) -> None:
    patient, _, probability = cells
    counted = benchmark.pedantic(count, (patient, probability), rounds=ROUNDS, warmup_rounds=1)
    assert_counts(counted, expected)


@timed
@pytest.mark.parametrize(
    ("frame_of", "count"),
    [(pd.DataFrame, pandas_groupby), (pl.DataFrame, polars_groupby)],
    ids=["pandas", "polars"],
)
def test_groupby_alone(
    benchmark: BenchmarkFixture,
    cells: Cells,
    expected: tuple[Counts, Counts],
    frame_of: Callable[[dict[str, npt.NDArray[np.generic]]], Frame],
    count: Callable[[Frame], Tables],
) -> None:
    patient, _, probability = cells
    frame = frame_of(columns(patient, probability))
    counted = benchmark.pedantic(count, (frame,), rounds=ROUNDS, warmup_rounds=1)
    assert_counts(counted, expected)


def best_s(clock: Callable[[], float], **works: Callable[[], object]) -> dict[str, float]:
    """Least seconds of each; in turn, so that a busy machine slows all alike."""
    best = dict.fromkeys(works, float("inf"))
    for _ in range(ROUNDS):
        for name, work in works.items():
            started = clock()
            work()
            best[name] = min(best[name], clock() - started)
    return best


@of_millions
def test_against_a_copy_of_the_probabilities(cells: Cells) -> None:
    patient, row, probability = cells
    target = np.zeros_like(probability)
    best = best_s(
        time.process_time,  # what other programs take of the core does not count
        copy=lambda: np.copyto(target, probability),
        add=lambda: accumulate(patient, row, probability),
    )
    rate = best["copy"] / best["add"]
    print(f"\ncopy {1000 * best['copy']:.1f} ms, ", end="")
    print(f"accumulator.add {1000 * best['add']:.1f} ms, {rate:.2f} of its rate")
    assert rate >= 0.4


@of_millions
def test_pandas_as_first_written_takes_twenty_times_as_long(cells: Cells) -> None:
    patient, row, probability = cells
    best = best_s(
        time.perf_counter,
        add=lambda: accumulate(patient, row, probability),
        pandas=lambda: pandas_as_written(patient, probability),
    )
    ratio = best["pandas"] / best["add"]
    print(f"\npandas as first written takes {ratio:.1f} times as long as accumulator.add")
    assert ratio >= 20
