"""What the answers of a review make of a patient's share."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bloodcell.review.leukocytes import STRATA, Leukocytes, counted_scheme, leukocytes_by_patient
from bloodcell.review.sample import Sample, sample_share
from bloodcell.run import Run
from bloodcell.scheme import Scheme
from bloodcell.shares import ADJUSTED

REVIEWED = ("patient", "cells_looked_at", *ADJUSTED, "basis")
"""Columns of ``reviewed_shares``."""


@dataclass(frozen=True)
class Answers:
    """Of one patient; arrays (M,), one place a cell."""

    row: npt.NDArray[np.int64]
    is_blast: npt.NDArray[np.bool_]
    is_leukocyte: npt.NDArray[np.bool_]
    """As the run counts; every blast is one."""


def reviewed_shares(run: Run, answers: pa.Table, planned: pa.Table) -> pa.Table:
    """One row a patient of ``answers``, sorted by name; columns as ``REVIEWED``.

    ``answers`` has ``patient``, ``row`` and ``reviewed_class``, each cell once, classes of the
    run's scheme; ``planned`` is the plan. Shares are in percent, null where no leukocyte is left.
    ``basis`` is ``model``, or ``sample`` where the network is not trusted. A cell that was answered
    but not planned is known and no part of the sample. One that the network called a leukocyte
    and the reader does not leaves the denominator, one that only the reader calls so enters it.
    """
    scheme = counted_scheme(run)
    rows = [
        _row(name, cells, own, _rows_of(planned, name))
        for name, cells, own in _answered(run, answers, scheme)
    ]
    columns = dict(zip(REVIEWED, zip(*rows, strict=True), strict=True)) if rows else {}
    types = [pa.string(), pa.int64(), *[pa.float64()] * 3, pa.string()]
    return pa.table(
        {
            name: pa.array(columns.get(name, ()), kind, from_pandas=True)
            for name, kind in zip(REVIEWED, types, strict=True)
        }
    )


def answers_of(answers: pa.Table, patient: str, scheme: Scheme) -> Answers:
    """The answers of one patient, which may be none."""
    own = answers.filter(np.asarray(answers["patient"].to_pylist(), object) == patient)
    classes, codes = own["reviewed_class"].to_numpy(), np.array(scheme.codes)
    return Answers(
        own["row"].to_numpy(),
        np.isin(classes, codes[scheme.is_blast]),
        np.isin(classes, codes[scheme.is_leukocyte]),
    )


def sample_of(cells: Leukocytes, answers: Answers, planned: npt.NDArray[np.int64]) -> Sample:
    """What the answers tell of the strata; ``planned`` (N,) are the rows that were drawn."""
    drawn = np.isin(answers.row, np.intersect1d(planned, cells.row))
    place = np.searchsorted(cells.row, answers.row[drawn])
    stratum = cells.stratum[place]
    blast, leukocyte = answers.is_blast[drawn], answers.is_leukocyte[drawn]
    besides = cells.stratum[np.isin(cells.row, answers.row[~drawn])]
    return Sample(
        cells=_by_stratum(cells.stratum) - _by_stratum(besides),
        seen=_by_stratum(stratum),
        blasts=_by_stratum(stratum[blast]),
        others=_by_stratum(stratum[leukocyte & ~blast]),
        known=int(answers.is_leukocyte[~drawn].sum()),
        known_blasts=int(answers.is_blast[~drawn].sum()),
    )


def _by_stratum(stratum: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.bincount(stratum, minlength=STRATA).astype(np.int64)


def _answered(
    run: Run, answers: pa.Table, scheme: Scheme
) -> Iterator[tuple[str, Leukocytes, Answers]]:
    names = set(answers["patient"].to_pylist())
    for name, cells in leukocytes_by_patient(run):
        if name in names:
            yield name, cells, answers_of(answers, name, scheme)


def _rows_of(planned: pa.Table, patient: str) -> npt.NDArray[np.int64]:
    own = np.asarray(planned["patient"].to_pylist(), object) == patient
    rows: npt.NDArray[np.int64] = planned["row"].to_numpy()[own]
    return rows


def _row(
    name: str, cells: Leukocytes, answers: Answers, planned: npt.NDArray[np.int64]
) -> tuple[str, int, float, float, float, str]:
    by_sample = sample_share(sample_of(cells, answers, planned))
    share, low, high = (100 * v for v in (by_sample.share, by_sample.low, by_sample.high))
    return name, len(answers.row), share, low, high, "sample"
