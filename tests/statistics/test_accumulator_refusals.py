"""What the patient accumulator refuses: bad values, wrong arrays, bytes that are not its own."""

import struct
from typing import Any

import numpy as np
import pytest
from helpers.small_accumulators import IS_BLAST, IS_LEUKOCYTE, cells, example, make
from hypothesis import given
from hypothesis import strategies as st

from bloodcell._core import Accumulator

HEADER = 32  # bytes before the class flags


@pytest.mark.parametrize(
    ("patients", "rows", "last", "message"),
    [
        ([0, 2], [5, 6], 0.5, "cell 1: patient index 2, expected 0 to 1"),
        ([0, -1], [5, 6], 0.5, "cell 1: patient index -1, expected 0 to 1"),
        ([0, 1], [5, -6], 0.5, "cell 1: row -6, expected 0 or more"),
        ([0, 1], [5, 6], 1.5, r"cell 1 \(row 6\): probability of class 2 is 1.5, expected 0 to 1"),
        ([0, 1], [5, 6], np.nan, r"cell 1 \(row 6\): probability of class 2 is nan, expected"),
        ([0, 1], [5, 6], np.inf, "class 2 is inf, expected 0 to 1"),
        ([0, 1], [5, 6], -1e-38, "class 2 is -9.*e-39, expected 0 to 1"),
        ([0, 1], [5, 6], 1.0000001, "class 2 is 1.00000012, expected 0 to 1"),
        ([2, 1], [5, 6], np.nan, "cell 0: patient index 2"),
    ],
)
def test_a_refused_add_changes_nothing(
    patients: list[int], rows: list[int], last: float, message: str
) -> None:
    accumulator = example()
    before = accumulator.to_bytes()
    with pytest.raises(ValueError, match=message):
        accumulator.add(*cells(patients, rows, [[1, 0, 0], [0, 0, last]]))
    assert accumulator.to_bytes() == before


@pytest.mark.parametrize("position", [0, 3, 1022, 1023, 1024, 4095, 4096, 4098])
@pytest.mark.parametrize("class_", range(7))
def test_one_bad_probability_is_found_wherever_it_is(position: int, class_: int) -> None:
    accumulator = make(is_blast=np.zeros(7, bool), is_leukocyte=np.ones(7, bool))
    patient, row, probability = cells([0] * 4099, range(4099), np.full((4099, 7), 0.25))
    probability[position, class_] = -0.5
    with pytest.raises(ValueError, match=rf"cell {position} .* of class {class_} is -0.5"):
        accumulator.add(patient, row, probability)
    assert not accumulator.scored.any()


def test_negative_zero_is_a_probability() -> None:
    accumulator, same = make(), make()
    accumulator.add(*cells([0] * 5, range(5), np.full((5, 3), -0.0)))
    same.add(*cells([0] * 5, range(5), np.zeros((5, 3))))
    assert accumulator.to_bytes() == same.to_bytes()


@pytest.mark.parametrize(
    ("patients", "reasons", "message"),
    [
        ([0, 1], [1, 0], "cell 1: reason 0, expected 1 to 10"),
        ([0, 1], [1, 11], "cell 1: reason 11, expected 1 to 10"),
        ([0, 2], [1, 1], "cell 1: patient index 2, expected 0 to 1"),
        ([-1, 0], [0, 0], "cell 0: patient index -1"),
    ],
)
def test_a_refused_reject_changes_nothing(
    patients: list[int], reasons: list[int], message: str
) -> None:
    accumulator = example()
    before = accumulator.to_bytes()
    with pytest.raises(ValueError, match=message):
        accumulator.reject(np.array(patients, np.int32), np.array(reasons, np.uint8))
    assert accumulator.to_bytes() == before


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (make(patients=3), "expected 2 patients, found 3"),
        (make(suspicious=3), "expected 2 suspicious cells per patient, found 3"),
        (make(is_blast=np.array([False] * 3)), "same blast and leukocyte classes"),
        (make(is_leukocyte=np.array([True] * 3)), "same blast and leukocyte classes"),
        (make(2, 2, np.zeros(4, bool), np.ones(4, bool)), "expected 3 classes, found 4"),
    ],
)
def test_a_refused_merge_changes_nothing(other: Accumulator, message: str) -> None:
    accumulator = example()
    before = accumulator.to_bytes()
    with pytest.raises(ValueError, match=message):
        accumulator.merge(other)
    assert accumulator.to_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((-1, IS_BLAST, IS_LEUKOCYTE), ValueError, "expected 0 or more patients, found -1"),
        ((1, IS_BLAST[:0], IS_LEUKOCYTE[:0]), ValueError, "expected 1 to 255 classes, found 0"),
        ((1, np.zeros(256, bool), np.zeros(256, bool)), ValueError, "classes, found 256"),
        ((1, IS_BLAST, ~IS_LEUKOCYTE), ValueError, "class 0 is a blast class"),
        ((1, IS_BLAST, IS_LEUKOCYTE, 0), ValueError, "expected 1 to 65535 suspicious cells"),
        ((1, IS_BLAST, IS_LEUKOCYTE[:2]), ValueError, r"shape \(3,\), found \(2,\)"),
        ((1, IS_BLAST[None], IS_LEUKOCYTE), ValueError, r"shape \(N,\), found \(1, 3\)"),
        ((1, IS_BLAST, IS_LEUKOCYTE.astype(np.uint8)), TypeError, "dtype bool, found uint8"),
        ((1, [True], [True]), TypeError, "is_blast: expected numpy.ndarray, found list"),
    ],
)
def test_refused_construction(
    arguments: tuple[Any, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Accumulator(*arguments)


PATIENT, ROW, PROBABILITY = cells([0, 1], [5, 6], [[1, 0, 0], [0, 1, 0]])
UNALIGNED = np.frombuffer(b"." + ROW.tobytes(), dtype=np.int64, offset=1)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            ([0, 1], ROW, PROBABILITY),
            TypeError,
            "patient_index: expected numpy.ndarray, found list",
        ),
        ((PATIENT.astype(np.int64), ROW, PROBABILITY), TypeError, "dtype int32, found int64"),
        ((PATIENT, ROW.astype(np.int32), PROBABILITY), TypeError, "row: expected dtype int64"),
        ((PATIENT, ROW.astype(np.uint64), PROBABILITY), TypeError, "found uint64"),
        ((PATIENT, ROW.astype(">i8"), PROBABILITY), TypeError, "found >i8"),
        ((PATIENT, ROW, PROBABILITY.astype(np.float64)), TypeError, "float32, found float64"),
        ((PATIENT, ROW, PROBABILITY.astype(np.float16)), TypeError, "float32, found float16"),
        ((PATIENT[0], ROW, PROBABILITY), TypeError, "numpy.ndarray, found numpy.int32"),
        (
            (PATIENT[:1].reshape(()), ROW, PROBABILITY),
            ValueError,
            r"patient_index: expected shape \(N,\), found \(\)",
        ),
        ((PATIENT, ROW[:1], PROBABILITY), ValueError, r"row: expected shape \(2,\), found \(1,\)"),
        ((PATIENT, ROW, PROBABILITY[:, :2].copy()), ValueError, r"\(2, 3\), found \(2, 2\)"),
        ((PATIENT, ROW, PROBABILITY.ravel()), ValueError, r"\(2, 3\), found \(6,\)"),
        ((PATIENT, ROW, np.asfortranarray(PROBABILITY)), ValueError, "C-contiguous"),
        ((np.repeat(PATIENT, 2)[::2], ROW, PROBABILITY), ValueError, "C-contiguous"),
        ((PATIENT, UNALIGNED, PROBABILITY), ValueError, "aligned"),
    ],
)
def test_add_converts_nothing(
    arguments: tuple[Any, ...], error: type[Exception], message: str
) -> None:
    accumulator = make()
    with pytest.raises(error, match=message):
        accumulator.add(*arguments)
    assert not accumulator.scored.any()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((PATIENT, np.array([1, 1])), TypeError, "reason: expected dtype uint8, found int64"),
        ((PATIENT, np.ones(3, np.uint8)), ValueError, r"shape \(2,\), found \(3,\)"),
        ((PATIENT, np.ones(4, np.uint8)[::2]), ValueError, "C-contiguous"),
    ],
)
def test_reject_converts_nothing(
    arguments: tuple[Any, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make().reject(*arguments)


# --- bytes that are not an accumulator's


def test_every_truncation_and_any_more_is_refused() -> None:
    whole = example().to_bytes()
    for length in range(len(whole)):
        with pytest.raises(ValueError, match="not the bytes of an accumulator"):
            Accumulator.from_bytes(whole[:length])
    with pytest.raises(ValueError, match="length"):
        Accumulator.from_bytes(whole + b"\0")


@given(st.binary(max_size=200))
def test_garbage_is_refused(garbage: bytes) -> None:
    with pytest.raises(ValueError, match="not the bytes of an accumulator"):
        Accumulator.from_bytes(garbage)


@given(st.data())
def test_damaged_bytes_are_refused_or_canonical(data: st.DataObject) -> None:
    damaged = bytearray(example().to_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        accumulator = Accumulator.from_bytes(bytes(damaged))
    except ValueError:
        return
    assert accumulator.to_bytes() == bytes(damaged)


# The layout of example(): 3 flags, then 2 patients of 3 counts, 64 bins, 11 reasons, 2 suspects.
CLASS_COUNTS = HEADER + 3
BINS = CLASS_COUNTS + 8 * 2 * 3
REASONS = BINS + 8 * 2 * 64
SUSPECTS = REASONS + 8 * 2 * 11
SECOND = SUSPECTS + 12 * 2  # of patient 1


@pytest.mark.parametrize(
    ("position", "layout", "value", "message"),
    [
        (0, "<B", 0, "right start"),
        (8, "<I", 2, "expected version 1, found 2"),
        (12, "<I", 3, "length"),
        (12, "<I", 2**31, "patients up to 2147483647, found 2147483648"),
        (12, "<I", 2**31 - 1, "length"),
        (16, "<I", 0, "length"),
        (16, "<I", 256, "classes up to 255, found 256"),
        (20, "<I", 2**32 - 1, "suspicious cells up to 65535"),
        (24, "<I", 65, "number of bins 64, found 65"),
        (28, "<I", 10, "number of reasons 11, found 10"),
        (HEADER, "<B", 1, "class 0 is a blast class"),
        (HEADER, "<B", 7, "class flags up to 3, found 7"),
        (CLASS_COUNTS, "<q", 1, "patient 0: .* as many cells in the histogram as leukocytes"),
        (CLASS_COUNTS, "<q", -1, "patient 0: count -1 is negative"),
        (CLASS_COUNTS, "<q", 2**63 - 1, "too large"),
        (BINS, "<q", 1, "patient 0: .* as many cells in the histogram as leukocytes, 0, found 1"),
        (REASONS, "<q", 1, "patient 0: expected no cells rejected for no reason, found 1"),
        (REASONS + 8, "<q", -5, "negative"),
        (SUSPECTS, "<Iq", (0, 3), "patient 0: expected the most suspicious"),
        (SUSPECTS, "<Iq", (1, -1), "patient 0: expected the most suspicious"),
        (SECOND, "<Iq", (0, -1), "patient 1: expected the most suspicious"),
        (SECOND, "<Iq", (65536, 10), "patient 1: expected the most suspicious"),
        (SECOND, "<Iq", (65537, 10), "patient 1: expected the most suspicious"),
        (SECOND, "<Iq", (49152, -2), "patient 1: expected the most suspicious"),
    ],
)
def test_contradictions_in_bytes_are_refused(
    position: int, layout: str, value: Any, message: str
) -> None:
    damaged = bytearray(example().to_bytes())
    struct.pack_into(layout, damaged, position, *np.atleast_1d(value).tolist())
    with pytest.raises(ValueError, match=message):
        Accumulator.from_bytes(bytes(damaged))


def test_suspects_out_of_order_are_refused() -> None:
    accumulator = make(patients=1)
    accumulator.add(*cells([0, 0], [1, 2], [[1, 0, 0], [1, 0, 0]]))
    whole = accumulator.to_bytes()
    swapped = whole[:-24] + whole[-12:] + whole[-24:-12]
    with pytest.raises(ValueError, match="expected the most suspicious"):
        Accumulator.from_bytes(swapped)


def test_counts_cannot_overflow() -> None:
    accumulator = example()
    full = bytearray(accumulator.to_bytes())
    struct.pack_into("<q", full, REASONS + 8, 2**62)
    nearly = Accumulator.from_bytes(bytes(full))
    with pytest.raises(ValueError, match="patient 0: expected at most 4611686018427387904 cells"):
        nearly.merge(nearly)
    assert nearly.to_bytes() == bytes(full)


def test_a_hundred_thousand_patients() -> None:
    n = 100_000
    accumulator = Accumulator(n, np.arange(18) == 0, np.arange(18) < 15)
    patient = np.arange(n, dtype=np.int32)[::-1].copy()
    probability = np.zeros((n, 18), dtype=np.float32)
    probability[:, 0] = 1
    accumulator.add(patient, np.arange(n), probability)
    assert (accumulator.class_counts[:, 0] == 1).all()
    np.testing.assert_array_equal(accumulator.suspicious_rows[:, 0], patient)
    assert Accumulator.from_bytes(accumulator.to_bytes()).to_bytes() == accumulator.to_bytes()
