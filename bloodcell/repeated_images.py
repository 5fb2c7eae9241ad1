"""Images that a run scored more than once, byte for byte: of two patients, or twice of one."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bloodcell.digests import digest_array
from bloodcell.run_record import Repeat, RepeatedImages, Repeats
from bloodcell.store import RunStore

_MOST_NAMED = 100
"""Pairs of patients, and patients, of which an example is kept: memory must not grow."""

_Words = npt.NDArray[np.uint64]
_Indices = npt.NDArray[np.int64]


class FirstHalves:
    """The first half of each scored cell's digest; ``cells`` of them at most."""

    def __init__(self, cells: int) -> None:
        self._halves, self._count = np.empty(cells, np.uint64), 0

    def add(self, part: pa.Table) -> None:
        """Take a part, whole or its columns ``digest`` and ``status``; in any order."""
        digests = digest_array(_scored(part.select(["digest", "status"]))["digest"])
        until = self._count + len(digests)
        self._halves[self._count : until] = digests.view(np.uint64)[:, 0]
        self._count = until

    def that_occur_again(self) -> _Words:
        """Ascending, each once."""
        halves = self._halves[: self._count]
        halves.sort()
        return np.unique(halves[1:][halves[1:] == halves[:-1]])


def repeated_images(
    store: RunStore, patients: pa.Array, first_halves: FirstHalves | None = None
) -> RepeatedImages | None:
    """What a run whose parts are all there scored more than once; None if nothing.

    ``patients``: the run's, in ascending order; ``first_halves``: of all its parts, by default
    read from them. Digests that are equal in it are compared whole. Of equal images the first in
    the manifest's order is the one that others repeat, so the result does not depend on who scored
    what. Rejected cells count nowhere: the same text file beside every patient's images is no slide
    mislabelled.
    """
    if first_halves is None:
        first_halves = FirstHalves(store.manifest_row_count())
        for part in store.finished_parts():
            first_halves.add(store.read_columns(part, ["digest", "status"]))
    suspects = first_halves.that_occur_again()
    if len(suspects) == 0:
        return None
    search = _Search(suspects, patients)
    for part in store.finished_parts():
        search.add(_scored(store.read_columns(part, ["row", "patient", "digest", "status"])))
    return search.result(store)


def told(repeated: RepeatedImages | None, most: int) -> Iterator[str]:
    """Sentences for people, each naming at most ``most`` pairs of patients, or patients."""
    if repeated is None:
        return
    kinds = [
        (repeated.between_patients, "a cell of another patient (is a slide mislabelled?)"),
        (repeated.within_patients, "another cell of the same patient"),
    ]
    for repeats, what in kinds:
        named = [_named(repeat) for repeat in repeats.examples[:most]]
        if more := repeats.cells - sum(repeat.cells for repeat in repeats.examples[:most]):
            named.append(f"{more} more in run.json and cells/")
        if repeats.cells:
            show = "cell shows" if repeats.cells == 1 else "cells show"
            yield f"{repeats.cells} {show} the very image of {what}: {'; '.join(named)}"


def told_of(repeated: RepeatedImages | None, patient: str) -> Iterator[str]:
    """A sentence for people about each pair that ``patient`` is in, of those that are named."""
    for repeats in (repeated.between_patients, repeated.within_patients) if repeated else ():
        for repeat in repeats.examples:
            if patient in (repeat.patient, repeat.first_patient):
                yield _named(repeat)


def _named(repeat: Repeat) -> str:
    own = repeat.patient == repeat.first_patient
    whose = "its own" if own else f"patient {repeat.first_patient}"
    return (
        f"patient {repeat.patient} has {repeat.cells} of {whose} "
        f"({repeat.path} is {repeat.first_path})"
    )


def _scored(part: pa.Table) -> pa.Table:
    return part.filter(pc.equal(part["status"], "scored"))


class _Search:
    """Goes through the parts in order; holds some bytes for each of D ``suspects``."""

    def __init__(self, suspects: _Words, patients: pa.Array) -> None:
        self._suspects, self._patients = suspects, patients
        self._other_half = np.zeros(len(suspects), np.uint64)
        self._first_row = np.full(len(suspects), -1, np.int64)
        self._first_patient = np.zeros(len(suspects), np.int64)
        self._between, self._within = _Pairs(), _Pairs()

    def add(self, part: pa.Table) -> None:
        part, other_half, suspect = self._suspects_among(part)
        row = part["row"].to_numpy()
        patient = pc.index_in(part["patient"], value_set=self._patients).to_numpy()
        suspects, at = np.unique(suspect, return_index=True)
        is_new = self._first_row[suspects] < 0
        suspects, at = suspects[is_new], at[is_new]
        self._first_row[suspects], self._first_patient[suspects] = row[at], patient[at]
        self._other_half[suspects] = other_half[at]
        is_equal = self._other_half[suspect] == other_half
        again = is_equal & (self._first_row[suspect] != row)
        self._note(row[again], suspect[again], patient[again])

    def result(self, store: RunStore) -> RepeatedImages | None:
        if self._between.cells + self._within.cells == 0:
            return None
        return RepeatedImages(
            self._between.told(store, self._patients), self._within.told(store, self._patients)
        )

    def _suspects_among(self, part: pa.Table) -> tuple[pa.Table, _Words, _Indices]:
        """The rows that are, the second half of their digests, and which suspect each is."""
        halves = digest_array(part["digest"]).view(np.uint64)
        place = np.searchsorted(self._suspects, halves[:, 0])
        place[place == len(self._suspects)] = 0
        is_suspect = self._suspects[place] == halves[:, 0]
        return part.filter(pa.array(is_suspect)), halves[is_suspect, 1], place[is_suspect]

    def _note(self, rows: _Indices, suspect: _Indices, patient: _Indices) -> None:
        """Count cells whose image was there before by the two patients."""
        first_patient, first_row = self._first_patient[suspect], self._first_row[suspect]
        pair = first_patient * len(self._patients) + patient
        _, at, cells = np.unique(pair, return_index=True, return_counts=True)
        for place in np.argsort(at):
            one = at[place]
            pairs = self._within if first_patient[one] == patient[one] else self._between
            example = _Example(int(first_row[one]), int(rows[one]))
            pairs.add((int(first_patient[one]), int(patient[one])), int(cells[place]), example)


@dataclass
class _Example:
    """The first cells of a pair of patients that are equal, and how many are."""

    first_row: int
    row: int
    cells: int = 0


@dataclass
class _Pairs:
    """Repeats by the two patients; of those that come first, with an example."""

    cells: int = 0
    examples: dict[tuple[int, int], _Example] = field(default_factory=dict)

    def add(self, pair: tuple[int, int], cells: int, example: _Example) -> None:
        self.cells += cells
        if pair in self.examples or len(self.examples) < _MOST_NAMED:
            self.examples.setdefault(pair, example).cells += cells

    def told(self, store: RunStore, patients: pa.Array) -> Repeats:
        examples = self.examples.values()
        path = store.paths_of({row for one in examples for row in (one.row, one.first_row)})
        return Repeats(
            self.cells,
            tuple(
                Repeat(
                    patients[patient].as_py(),
                    path[example.row],
                    example.cells,
                    patients[first].as_py(),
                    path[example.first_row],
                )
                for (first, patient), example in self.examples.items()
            ),
        )
