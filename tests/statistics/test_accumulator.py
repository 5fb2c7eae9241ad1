"""The patient accumulator against an obvious reference, in every order, batching and split."""

import math
import threading
from typing import NamedTuple

import numpy as np
import pytest
from helpers.small_accumulators import cells, example, make
from hypothesis import given
from hypothesis import strategies as st

from bloodcell._core import BLAST_LOG_ODDS_EDGES, Accumulator


def test_counts_of_a_few_cells() -> None:
    accumulator = example()
    assert accumulator.scored.tolist() == [0, 3]
    assert accumulator.class_counts.tolist() == [[0, 0, 0], [1, 1, 1]]
    assert accumulator.rejected.tolist() == [[0] * 11, [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]]
    # log-odds of 1/4 and 3/4 are -1.099 and 1.099: bins [-1.25, -1) and [1, 1.25)
    assert np.argwhere(accumulator.blast_histogram).tolist() == [[1, 27], [1, 36]]
    assert BLAST_LOG_ODDS_EDGES[[27, 28, 36, 37]].tolist() == [-1.25, -1.0, 1.0, 1.25]
    assert accumulator.suspicious_rows.tolist() == [[-1, -1], [10, 11]]
    assert accumulator.suspicious_probability.tolist() == [[0, 0], [0.75, 0.25]]


def test_properties_are_fresh_arrays_of_the_documented_types() -> None:
    accumulator = make(patients=4, suspicious=5)
    for name, dtype, shape in [
        ("scored", np.int64, (4,)),
        ("rejected", np.int64, (4, 11)),
        ("class_counts", np.int64, (4, 3)),
        ("blast_histogram", np.int64, (4, 64)),
        ("suspicious_rows", np.int64, (4, 5)),
        ("suspicious_probability", np.float32, (4, 5)),
    ]:
        array = getattr(accumulator, name)
        assert (array.dtype, array.shape) == (dtype, shape)
        array[:] = 7
        assert not (getattr(accumulator, name) == 7).any()


def test_edges() -> None:
    assert Accumulator.BLAST_LOG_ODDS_EDGES is BLAST_LOG_ODDS_EDGES
    assert not BLAST_LOG_ODDS_EDGES.flags.writeable
    np.testing.assert_array_equal(BLAST_LOG_ODDS_EDGES, np.linspace(-8, 8, 65))


def test_no_patients_and_no_cells() -> None:
    nobody = make(patients=0)
    nobody.add(*cells([], [], np.zeros((0, 3))))
    assert nobody.scored.shape == (0,)
    with pytest.raises(ValueError, match="there are 0 patients"):
        nobody.add(*cells([0], [0], [[1, 0, 0]]))
    assert Accumulator.from_bytes(nobody.to_bytes()).to_bytes() == nobody.to_bytes()


# --- against the reference


class Batch(NamedTuple):
    """Some cells, the scheme they were scored by, and how many suspicious ones to keep."""

    patients: int
    suspicious: int
    is_blast: np.ndarray
    is_leukocyte: np.ndarray
    patient: np.ndarray
    row: np.ndarray
    probability: np.ndarray
    reason: np.ndarray

    def empty(self) -> Accumulator:
        return Accumulator(self.patients, self.is_blast, self.is_leukocyte, self.suspicious)

    def accumulate(self, *parts: np.ndarray) -> Accumulator:
        """Return the accumulator of the given cells, one call a part; of all without parts."""
        accumulator = self.empty()
        for part in parts or [np.arange(len(self.row))]:
            accumulator.add(self.patient[part], self.row[part], self.probability[part])
            accumulator.reject(self.patient[part], self.reason[part])
        return accumulator


@st.composite
def batches(draw: st.DrawFn, most_cells: int = 40) -> Batch:
    classes = draw(st.integers(1, 11))
    roles = draw(st.lists(st.sampled_from("bla"), min_size=classes, max_size=classes))
    patients = draw(st.integers(1, 4))
    n = draw(st.integers(0, most_cells))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(["ties", "units", "halves", "any"]))
    shape = (n, classes)
    probability = {
        "ties": rng.integers(0, 3, shape) / 2,
        "units": rng.integers(0, 65537, shape) / 65536,
        "halves": rng.integers(0, 9, shape) / 131072,
        "any": rng.random(shape) ** 8,
    }[kind].astype(np.float32)
    return Batch(
        patients=patients,
        suspicious=draw(st.integers(1, 6)),
        is_blast=np.array([role == "b" for role in roles]),
        is_leukocyte=np.array([role in "bl" for role in roles]),
        patient=rng.integers(0, patients, n).astype(np.int32),
        row=rng.integers(0, 2 * n + 1, n).astype(np.int64),  # some rows twice
        probability=probability,
        reason=rng.integers(1, 11, n).astype(np.uint8),
    )


def bin_of(q: int) -> int:
    if q in (0, 65536):
        return 0 if q == 0 else 63
    log_odds = math.log(q / (65536 - q))
    return min(63, max(0, math.floor((log_odds + 8) * 4)))


def reference(batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return class counts, histogram, rejections and suspects, one cell at a time."""
    class_counts = np.zeros((batch.patients, len(batch.is_blast)), dtype=np.int64)
    histogram = np.zeros((batch.patients, 64), dtype=np.int64)
    rejected = np.zeros((batch.patients, 11), dtype=np.int64)
    suspects: list[list[tuple[int, int]]] = [[] for _ in range(batch.patients)]
    for patient, row, p, reason in zip(
        batch.patient, batch.row, batch.probability, batch.reason, strict=True
    ):
        quantised = [round(float(value) * 65536) for value in p]
        called = quantised.index(max(quantised))
        class_counts[patient, called] += 1
        rejected[patient, reason] += 1
        if batch.is_leukocyte[called]:
            blasts = [q for q, blast in zip(quantised, batch.is_blast, strict=True) if blast]
            q = min(65536, sum(blasts))
            histogram[patient, bin_of(q)] += 1
            suspects[patient].append((-q, int(row)))
    kept = [sorted(cells)[: batch.suspicious] for cells in suspects]
    padded = [cells + [(0, -1)] * (batch.suspicious - len(cells)) for cells in kept]
    return class_counts, histogram, rejected, np.array(padded)


@given(batches())
def test_equals_the_reference(batch: Batch) -> None:
    class_counts, histogram, rejected, suspects = reference(batch)
    accumulator = batch.accumulate()
    np.testing.assert_array_equal(accumulator.scored, class_counts.sum(axis=1))
    np.testing.assert_array_equal(accumulator.class_counts, class_counts)
    np.testing.assert_array_equal(accumulator.blast_histogram, histogram)
    np.testing.assert_array_equal(accumulator.rejected, rejected)
    np.testing.assert_array_equal(accumulator.suspicious_rows, suspects[:, :, 1])
    np.testing.assert_array_equal(accumulator.suspicious_probability, -suspects[:, :, 0] / 65536)


def test_every_blast_probability_falls_into_the_bin_of_its_log_odds() -> None:
    q = np.arange(65537)
    accumulator = Accumulator(65537, np.array([True]), np.array([True]), 1)
    accumulator.add(q.astype(np.int32), q, (q / 65536).astype(np.float32)[:, None])
    bins = accumulator.blast_histogram.argmax(axis=1)
    assert bins.tolist() == [bin_of(value) for value in q.tolist()]


# --- order, batching, splits


@given(batches(), st.data())
def test_order_and_batching_do_not_matter(batch: Batch, data: st.DataObject) -> None:
    order = np.array(data.draw(st.permutations(range(len(batch.row)))), dtype=np.int64)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(order)), max_size=4)))
    expected = batch.accumulate().to_bytes()
    assert batch.accumulate(*np.split(order, cuts)).to_bytes() == expected


@given(batches(), st.data())
def test_splitting_and_merging_in_any_order_does_not_matter(
    batch: Batch, data: st.DataObject
) -> None:
    owner = np.array(
        data.draw(st.lists(st.integers(0, 3), min_size=len(batch.row), max_size=len(batch.row))),
        dtype=np.int64,
    )
    parts = [batch.accumulate(np.flatnonzero(owner == worker)) for worker in range(4)]
    while len(parts) > 1:
        first, second = data.draw(st.permutations(range(len(parts))))[:2]
        parts[first].merge(parts[second])
        del parts[second]
    assert parts[0].to_bytes() == batch.accumulate().to_bytes()


@given(batches())
def test_bytes_round_trip_and_go_on(batch: Batch) -> None:
    half = len(batch.row) // 2
    accumulator = batch.accumulate(np.arange(half))
    again = Accumulator.from_bytes(accumulator.to_bytes())
    assert again.to_bytes() == accumulator.to_bytes()
    rest = np.arange(half, len(batch.row))
    again.add(batch.patient[rest], batch.row[rest], batch.probability[rest])
    again.reject(batch.patient[rest], batch.reason[rest])
    assert again.to_bytes() == batch.accumulate().to_bytes()


@given(batches())
def test_merging_with_itself_counts_twice(batch: Batch) -> None:
    once = batch.accumulate()
    twice = batch.accumulate()
    twice.add(batch.patient, batch.row, batch.probability)
    twice.reject(batch.patient, batch.reason)
    once.merge(once)
    assert once.to_bytes() == twice.to_bytes()


def test_one_large_call_gives_the_bytes_of_many_small_ones() -> None:
    n = 600_000  # enough for the call to be counted apart, in blocks
    rng = np.random.default_rng(1)
    patient = rng.integers(0, 3, n).astype(np.int32)
    row = np.arange(n)
    probability = (rng.integers(0, 65537, (n, 3)) / 65536).astype(np.float32)
    large, small = make(patients=3), make(patients=3)
    large.add(patient, row, probability)
    for part in np.split(row, 100):
        small.add(patient[part], row[part], probability[part])
    assert large.to_bytes() == small.to_bytes()
    probability[[n // 2 - 1, n - 1], [2, 0]] = np.nan
    with pytest.raises(ValueError, match=f"cell {n // 2 - 1} .* class 2 is nan"):
        large.add(patient, row, probability)
    assert large.to_bytes() == small.to_bytes()


def test_two_threads_give_the_bytes_of_one() -> None:
    rng = np.random.default_rng(0)
    n, per_call = 40_000, 500
    patient = rng.integers(0, 3, n).astype(np.int32)
    row = np.arange(n)
    probability = (rng.integers(0, 65537, (n, 3)) / 65536).astype(np.float32)
    one, shared = make(patients=3), make(patients=3)
    one.add(patient, row, probability)

    def work(first: int) -> None:
        for begin in range(first * per_call, n, 2 * per_call):
            part = slice(begin, begin + per_call)
            shared.add(patient[part], row[part], probability[part])

    threads = [threading.Thread(target=work, args=(first,)) for first in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shared.to_bytes() == one.to_bytes()
