"""Accumulator.add against pandas and NumPy doing the same count; run with `pytest benchmarks -s`.

BLOODCELL_BENCH_CELLS sets the number of cells (default 10 million, which needs about 4 GB). All
sides start from the same arrays in memory. pandas and NumPy use one thread, polars as many as
it likes; they are not asked for the
most suspicious rows, and check nothing; the accumulator does both, with a thread a core (to four).
Times are the best of several rounds, taken in turn, so that a busy machine slows all alike.
"""

import os
import time

import numpy as np
import pandas as pd
import pytest

from bloodcell._core import BLAST_LOG_ODDS_EDGES, Accumulator

pl = pytest.importorskip("polars")

CELLS = int(os.environ.get("BLOODCELL_BENCH_CELLS", "10_000_000"))
PATIENTS = 500
CLASSES = 18
BINS = 64
ROUNDS = 5
BLASTS = np.array([3, 11])
IS_BLAST = np.isin(np.arange(CLASSES), BLASTS)
IS_LEUKOCYTE = np.arange(CLASSES) < 15


@pytest.fixture(scope="module")
def cells():
    """Patient, row and probabilities of cells whose class is mostly clear, in shuffled order."""
    rng = np.random.default_rng(0)
    probability = rng.random((CELLS, CLASSES), dtype=np.float32)
    probability **= 12
    probability /= probability.sum(axis=1, keepdims=True)
    probability *= 65536
    np.rint(probability, out=probability)
    probability /= 65536
    return rng.integers(0, PATIENTS, CELLS, dtype=np.int32), np.arange(CELLS), probability


def accumulate(patient, row, probability):
    accumulator = Accumulator(PATIENTS, IS_BLAST, IS_LEUKOCYTE)
    accumulator.add(patient, row, probability)
    return accumulator


def called_and_bin(probability):
    """Return each cell's class and histogram bin, as one would compute them with NumPy."""
    blast = np.minimum(probability[:, BLASTS].sum(axis=1, dtype=np.float64), 1)
    with np.errstate(divide="ignore"):
        log_odds = np.log(blast / (1 - blast))
    bins = np.clip(np.floor(4 * log_odds) + BINS // 2, 0, BINS - 1).astype(np.int8)
    return probability.argmax(axis=1).astype(np.int8), bins


def pandas_groupby(frame):
    classes = frame.groupby(["patient", "class"]).size()
    leukocytes = frame[IS_LEUKOCYTE[frame["class"]]]
    return classes, leukocytes.groupby(["patient", "bin"]).size()


def pandas_frame(patient, probability):
    called, bins = called_and_bin(probability)
    return pd.DataFrame({"patient": patient, "class": called, "bin": bins})


def polars_groupby(frame):
    classes = frame.group_by("patient", "class").len()
    leukocytes = frame.filter(pl.Series(IS_LEUKOCYTE[frame["class"].to_numpy()]))
    return classes, leukocytes.group_by("patient", "bin").len()


def polars_frame(patient, probability):
    called, bins = called_and_bin(probability)
    return pl.DataFrame({"patient": patient, "class": called, "bin": bins})


def pandas_as_written(patient, probability):
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


def numpy_bincount(patient, probability):
    called, bins = called_and_bin(probability)
    leukocyte = IS_LEUKOCYTE[called]
    classes = np.bincount(patient * CLASSES + called, minlength=PATIENTS * CLASSES)
    histogram = np.bincount(patient[leukocyte] * BINS + bins[leukocyte], minlength=PATIENTS * BINS)
    return classes.reshape(PATIENTS, CLASSES), histogram.reshape(PATIENTS, BINS)


def dense(sizes, columns):
    table = np.zeros((PATIENTS, columns), dtype=np.int64)
    table[sizes.index.get_level_values(0), sizes.index.get_level_values(1)] = sizes
    return table


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def test_all_agree(cells):
    patient, row, probability = cells
    accumulator = accumulate(patient, row, probability)
    classes, histogram = numpy_bincount(patient, probability)
    np.testing.assert_array_equal(accumulator.class_counts, classes)
    np.testing.assert_array_equal(accumulator.blast_histogram, histogram)
    by_groupby = pandas_groupby(pandas_frame(patient, probability))
    for classes, histogram in (by_groupby, pandas_as_written(patient, probability)):
        np.testing.assert_array_equal(accumulator.class_counts, dense(classes, CLASSES))
        np.testing.assert_array_equal(accumulator.blast_histogram, dense(histogram, BINS))


def dense_polars(counts, columns):
    table = np.zeros((PATIENTS, columns), dtype=np.int64)
    patient, column, count = (series.to_numpy() for series in counts.get_columns())
    table[patient, column] = count
    return table


def test_polars_agrees(cells):
    patient, row, probability = cells
    accumulator = accumulate(patient, row, probability)
    classes, histogram = polars_groupby(polars_frame(patient, probability))
    np.testing.assert_array_equal(accumulator.class_counts, dense_polars(classes, CLASSES))
    np.testing.assert_array_equal(accumulator.blast_histogram, dense_polars(histogram, BINS))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cannot keep to one core here")
def test_against_a_copy_of_the_probabilities_on_one_core(cells):
    patient, row, probability = cells
    target = np.zeros_like(probability)
    usable = os.sched_getaffinity(0)
    best = {"copy": float("inf"), "accumulator.add": float("inf")}
    try:
        # Threads that the accumulator starts share the core too.
        os.sched_setaffinity(0, {min(usable)})
        for _ in range(ROUNDS):
            # Processor time: what other programs take of the core does not count.
            started = time.process_time()
            np.copyto(target, probability)
            copied = time.process_time() - started
            started = time.process_time()
            accumulate(patient, row, probability)
            counted = time.process_time() - started
            best["copy"] = min(best["copy"], copied)
            best["accumulator.add"] = min(best["accumulator.add"], counted)
    finally:
        os.sched_setaffinity(0, usable)
    rate = best["copy"] / best["accumulator.add"]
    print(f"\none core: copy {1000 * best['copy']:.1f} ms, ", end="")
    print(f"accumulator.add {1000 * best['accumulator.add']:.1f} ms, {rate:.2f} of its rate")
    assert rate >= 0.4


def test_ratios(cells):
    patient, row, probability = cells
    frame = pandas_frame(patient, probability)
    polars = polars_frame(patient, probability)
    contenders = {
        "accumulator.add": lambda: accumulate(patient, row, probability),
        "one read of the probabilities": lambda: probability.view(np.int32).max(),
        "pandas groupby calls alone": lambda: pandas_groupby(frame),
        "polars groupby calls alone": lambda: polars_groupby(polars),
        "polars from probabilities": lambda: polars_groupby(polars_frame(patient, probability)),
        "pandas from probabilities": lambda: pandas_groupby(pandas_frame(patient, probability)),
        "pandas as first written": lambda: pandas_as_written(patient, probability),
        "NumPy argmax and bincount": lambda: numpy_bincount(patient, probability),
    }
    best = dict.fromkeys(contenders, float("inf"))
    for _ in range(ROUNDS):
        for name, work in contenders.items():
            best[name] = min(best[name], seconds(work))
    print(f"\n{CELLS:,} cells, {CLASSES} classes, {PATIENTS} patients, best of {ROUNDS}:")
    for name, elapsed_s in best.items():
        ratio = elapsed_s / best["accumulator.add"]
        print(f"  {name:30} {1000 * elapsed_s:8.1f} ms  {ratio:6.2f} x accumulator.add")
    assert best["pandas as first written"] >= 20 * best["accumulator.add"]


def test_accumulator_add(benchmark, cells):
    accumulator = benchmark(accumulate, *cells)
    assert accumulator.scored.sum() == CELLS
