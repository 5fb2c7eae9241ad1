"""Which cells libbloodcell counts, and which it refuses to: those that cannot be."""

import ctypes
from ctypes import byref, c_size_t

import numpy as np
import pytest
from helpers.embedded import SURE, CallError, Cell, EmbeddedModel, Report, cells_of


def test_a_patient_is_finished_once(tiny: EmbeddedModel) -> None:
    counts, cells = tiny.counts(), cells_of([1], [0], [0], [0.0], [True])
    probabilities = SURE
    with pytest.raises(CallError, match="unknown patient"):
        counts.report("p")
    counts.add("p", cells, probabilities)
    assert counts.report("p", "snapshot")[0].cells == counts.report("p")[0].cells == 1
    for call in (
        lambda: counts.report("p"),
        lambda: counts.report("p", "snapshot"),
        lambda: counts.add("p", cells, probabilities),
        lambda: tiny.library("counts_reject", counts.handle, b"p", 1, ctypes.c_int64(1)),
    ):
        with pytest.raises(CallError, match="patient is finished"):
            call()


@pytest.mark.parametrize(
    ("cell", "probabilities", "message"),
    [
        ((5, 11, 0, 0.0, 1), [1.0], "reason is 0 to 10, not 11"),
        ((5, 0, 0, 0.0, 1), [float("nan")], "probability of class 0 is nan, not 0 to 1"),
        ((5, 0, 0, 0.0, 1), [0.0, 1.5], "probability of class 1 is 1.500000, not 0 to 1"),
        ((-5, 0, 0, 0.0, 1), [1.0], "row is negative"),
        ((5, 0, 0, 0.0, 1), [0.0], "its probabilities sum to 0.000000, not 1"),
        ((5, 0, 0, 0.0, 1), [0.3], "its probabilities sum to 0.300000, not 1"),
        ((5, 0, 0, 0.0, 1), [1.0, 1.0], "its probabilities sum to 2.000000, not 1"),
        ((5, 0, 0, 0.0, 1), [1 - 19 / 65536], "its probabilities sum to 0.999710, not 1"),
        ((5, 0, 77, 0.0, 1), [1.0], "class_index is 77, by its probabilities 0"),
        ((5, 0, -1, 0.0, 1), [1.0], "class_index is -1, by its probabilities 0"),
        ((5, 0, 1, 0.0, 1), [0.6, 0.4], "class_index is 1, by its probabilities 0"),
        ((5, 0, 0, 0.99, 1), [1.0], "blast_probability is 0.990000, by its probabilities 0.000"),
        ((5, 0, 0, float("nan"), 1), [1.0], "blast_probability is nan, by its probabilities 0.000"),
    ],
)
def test_cells_that_cannot_be_are_refused_with_all_of_the_call(
    tiny: EmbeddedModel, cell: tuple[float, ...], probabilities: list[float], message: str
) -> None:
    counts = tiny.counts()
    given = np.repeat(SURE, 2, axis=0)
    given[1, : len(probabilities)] = probabilities
    with pytest.raises(CallError, match="invalid argument") as refused:
        counts.add("p", (Cell * 2)(Cell(4, 0, 0, 0.0, 1), Cell(*cell)), given)
    assert refused.value.message.startswith(f"cell 1 (row {cell[0]}): {message}")
    with pytest.raises(CallError, match="unknown patient"):
        counts.report("p")


@pytest.mark.parametrize("steps", [-18, 0, 18])
def test_roundings_of_probabilities_are_allowed_for(tiny: EmbeddedModel, steps: int) -> None:
    """Of 18 classes, each a multiple of 2^-16, at twice what rounding makes of them."""
    probabilities = np.full((1, 18), 1 / 32, np.float32)
    probabilities[0, 0] += np.float32(14 / 32 + steps / 65536)
    counts = tiny.counts()
    counts.add("p", tiny.cells_called([1], probabilities), probabilities)
    assert counts.report("p")[0].scored == 1


@pytest.mark.parametrize(
    "name", [b"\xff\xfe", b"a\xc0\xafb", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"]
)
def test_a_patients_name_is_utf_8(tiny: EmbeddedModel, name: bytes) -> None:
    counts = tiny.counts()
    for call in ("counts_finish", "counts_snapshot"):
        with pytest.raises(CallError, match="invalid argument: patient is not UTF-8"):
            tiny.library(call, counts.handle, name, byref(Report()), None, c_size_t(0))
    with pytest.raises(CallError, match="invalid argument: patient is not UTF-8"):
        tiny.library("counts_reject", counts.handle, name, 1, ctypes.c_int64(1))
    for good in ("Müller", "€", "患者", "\U0010ffff", "\ud7ff"):
        counts.add(good, tiny.cells_called([1], SURE), SURE)
        assert counts.report(good)[0].cells == 1


def test_rejected_cells_are_counted_by_reason(tiny: EmbeddedModel) -> None:
    counts = tiny.counts()
    for reason, count in ((2, 5000), (6, 1)):
        tiny.library("counts_reject", counts.handle, b"p", reason, ctypes.c_int64(count))
    report, _ = counts.report("p")
    assert (report.cells, report.rejected, report.scored) == (5001, 5001, 0)
    assert list(report.rejected_by_reason) == [0, 0, 5000, 0, 0, 0, 1, 0, 0, 0, 0]
    assert np.isnan(report.blast_percent_naive)


def test_rejecting_any_number_of_cells_takes_no_time(tiny: EmbeddedModel) -> None:
    counts = tiny.counts()
    for count in (10**15, 2**62 - 10**15):
        tiny.library("counts_reject", counts.handle, b"p", 3, ctypes.c_int64(count))
    for count in (1, 2**63 - 1):
        with pytest.raises(CallError, match=r"invalid argument: .*at most 2\^62 cells"):
            tiny.library("counts_reject", counts.handle, b"p", 3, ctypes.c_int64(count))
    with pytest.raises(CallError, match=r"invalid argument: .*at most 2\^62 cells"):
        counts.add("p", tiny.cells_called([1], SURE), SURE)
    report, _ = counts.report("p")
    assert (report.cells, report.rejected, report.rejected_by_reason[3]) == (2**62,) * 3
