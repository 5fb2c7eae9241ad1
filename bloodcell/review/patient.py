"""One patient under review: the cells, those drawn, those answered."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypedDict

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bloodcell._core import RecalibrationPrior
from bloodcell.review.leukocytes import (
    BINS,
    STRATA,
    Leukocytes,
    counted_scheme,
    leukocytes_by_patient,
)
from bloodcell.review.sample import Sample
from bloodcell.run import Run
from bloodcell.scheme import CANNOT_TELL
from bloodcell.shares import IS_ADJUSTED

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Answers:
    """Of one patient; arrays (M,), one place a cell."""

    row: Integers
    is_blast: Flags
    is_leukocyte: Flags
    """As the run counts; every blast is one."""


class ForCore(TypedDict):
    """Arguments that ``RecalibrationPrior``'s methods share; see _core.pyi."""

    histogram: Integers
    unseen: Integers
    seen: Integers
    leukocytes: Integers
    seen_bin: npt.NDArray[np.uint8]
    seen_blast: Flags


@dataclass(frozen=True)
class PatientReview:
    """Places are indices of ``cells``."""

    cells: Leukocytes
    drawn: Integers
    """Rows of the plan, (D,), in their order, without those of ``not_told``."""
    not_told: Integers
    """Rows of which readers cannot tell what they are, (U,): not seen, and not asked for again."""
    answers: Answers
    prior: RecalibrationPrior | None
    """None: the network is not trusted on this patient."""

    @cached_property
    def drawn_places(self) -> Integers:
        """Where the drawn cells are, (D,)."""
        return np.searchsorted(self.cells.row, self.drawn)

    @cached_property
    def is_answered(self) -> Flags:
        """Of the drawn cells, (D,)."""
        return np.isin(self.drawn, self.answers.row)

    @cached_property
    def was_drawn(self) -> Flags:
        """Of the answered cells, (M,); the others are known and no part of the sample."""
        return np.isin(self.answers.row, self.drawn)

    @cached_property
    def seen(self) -> tuple[Integers, Flags, Flags]:
        """Place, whether a blast, whether a leukocyte: of the drawn cells answered, by row."""
        answer = np.argsort(self.answers.row)
        answer = answer[self.was_drawn[answer]]
        places = np.searchsorted(self.cells.row, self.answers.row[answer])
        return places, self.answers.is_blast[answer], self.answers.is_leukocyte[answer]

    @cached_property
    def drawable(self) -> Integers:
        """Cells of each stratum that can be or were drawn, (8,)."""
        known = np.isin(self.cells.row, self.answers.row[~self.was_drawn])
        return by_stratum(self.cells.stratum[~known])

    @cached_property
    def sample(self) -> Sample:
        """What the answers tell of the strata."""
        places, is_blast, is_leukocyte = self.seen
        stratum, known = self.cells.stratum[places], ~self.was_drawn
        return Sample(
            cells=self.drawable,
            seen=by_stratum(stratum),
            blasts=by_stratum(stratum[is_blast]),
            others=by_stratum(stratum[is_leukocyte & ~is_blast]),
            known=int(self.answers.is_leukocyte[known].sum()),
            known_blasts=int(self.answers.is_blast[known].sum()),
        )

    @cached_property
    def for_core(self) -> ForCore:
        """What the core is asked with."""
        bins, (places, is_blast, is_leukocyte) = self.cells.bin, self.seen
        unseen = ~np.isin(self.cells.row, self.answers.row)
        return {
            "histogram": np.bincount(bins, minlength=BINS).astype(np.int64),
            "unseen": np.bincount(bins[unseen], minlength=BINS).astype(np.int64),
            "seen": self.sample.seen,
            "leukocytes": self.sample.blasts + self.sample.others,
            "seen_bin": bins[places[is_leukocyte]],
            "seen_blast": is_blast[is_leukocyte],
        }


def by_stratum(stratum: Integers) -> Integers:
    """Number of cells in each stratum, (8,)."""
    return np.bincount(stratum, minlength=STRATA).astype(np.int64)


def reviews(
    run: Run, answers: pa.Table, planned: pa.Table, patients: Collection[str] | None = None
) -> Iterator[tuple[str, PatientReview]]:
    """Name and review of each patient of ``run``, or of those named, sorted by name.

    ``answers`` has ``patient``, ``row`` and ``reviewed_class``, a class or ``CANNOT_TELL``, each
    cell once; ``planned`` is the plan. The network is not trusted on a patient whose share could
    not be adjusted.
    """
    scheme, recalibration = counted_scheme(run), run.record.recalibration
    prior = recalibration.core() if recalibration else None
    table = run.patients.select(["patient", "adjustment"]).to_pydict()
    adjustment = dict(zip(table["patient"], table["adjustment"], strict=True))
    codes = np.array(scheme.codes)
    blasts, leukocytes = codes[scheme.is_blast], codes[scheme.is_leukocyte]
    answered, drawn = by_patient(answers), by_patient(planned)
    for name, cells in leukocytes_by_patient(run, patients):
        own = answered.get(name, answers.slice(0, 0))
        rows, classes = own["row"].to_numpy(), own["reviewed_class"].to_numpy()
        is_told = classes != CANNOT_TELL
        own_drawn = drawn.get(name, planned.slice(0, 0))["row"].to_numpy()
        yield (
            name,
            PatientReview(
                cells=cells,
                drawn=own_drawn[~np.isin(own_drawn, rows[~is_told])],
                not_told=rows[~is_told],
                answers=Answers(
                    rows[is_told],
                    np.isin(classes[is_told], blasts),
                    np.isin(classes[is_told], leukocytes),
                ),
                prior=prior if adjustment[name] == IS_ADJUSTED else None,
            ),
        )


def by_patient(table: pa.Table) -> dict[str, pa.Table]:
    """The rows of each patient, in their order."""
    names = table["patient"].to_numpy().astype(np.str_)
    order = np.argsort(names, kind="stable")
    in_order, (own, starts) = table.take(order), np.unique(names[order], return_index=True)
    sizes = np.diff(starts, append=len(order))
    return {
        str(name): in_order.slice(start, size)
        for name, start, size in zip(own, starts, sizes, strict=True)
    }
