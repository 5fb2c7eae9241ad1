"""Which cells are shown: a bounded number, the doubtful ones first, whatever the order of rows."""

import numpy as np
import pytest

from bloodcell.report import gallery
from bloodcell.report.gallery import survey
from bloodcell.review.leukocytes import STRATA, counted_scheme, leukocytes_by_patient
from bloodcell.run import Run

NOTHING = np.empty(0, np.int64)


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, limit in (("ALL_UP_TO", 10), ("OF_BLASTS", 3), ("OF_ANOTHER", 2)):
        monkeypatch.setattr(gallery, name, limit)


def test_a_small_patient_is_shown_whole(run: Run) -> None:
    chosen = survey(run, run.patients["patient"].combine_chunks(), NOTHING)
    assert sorted(chosen.shown["row"].tolist()) == list(range(72))


@pytest.mark.usefixtures("small_limits")
def test_of_a_large_patient_the_doubtful_cells_of_each_class_are_shown(run: Run) -> None:
    chosen = survey(run, run.patients["patient"].combine_chunks(), np.array([71]))
    scheme = counted_scheme(run)
    cells = run.cells().to_pylist()
    for place, name in enumerate(run.patients["patient"].to_pylist()):
        for index, code in enumerate(scheme.codes):
            own = [c for c in cells if c["patient"] == name and c["class"] == code]
            is_blast = scheme.is_blast[index]
            own.sort(key=lambda c: (c["blast_probability"] * (1 if is_blast else -1), c["row"]))
            expected = [c["row"] for c in own[: 3 if is_blast else 2]]
            expected += [71] if 71 in [c["row"] for c in own] and 71 not in expected else []
            shown = chosen.of(place)
            assert shown["row"][shown["class_index"] == index].tolist() == expected


@pytest.mark.usefixtures("small_limits")
def test_choosing_in_many_steps_chooses_the_same(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    names = run.patients["patient"].combine_chunks()
    at_once = survey(run, names, NOTHING)
    monkeypatch.setattr(gallery, "_WAITING", 0)
    in_steps = survey(run, names, NOTHING)
    assert at_once.shown.tolist() == in_steps.shown.tolist()
    assert (at_once.strata == in_steps.strata).all()


def test_strata_are_those_of_the_review(run: Run) -> None:
    chosen = survey(run, run.patients["patient"].combine_chunks(), NOTHING)
    for place, (_, cells) in enumerate(leukocytes_by_patient(run)):
        assert (
            chosen.strata[place].tolist() == np.bincount(cells.stratum, minlength=STRATA).tolist()
        )


def test_unidentified_cells_are_counted_by_class_and_marked(run: Run) -> None:
    chosen = survey(run, run.patients["patient"].combine_chunks(), NOTHING)
    cells = run.cells().to_pylist()
    unsure = {cell["row"] for cell in cells if max(cell["probabilities"]) < 0.5}
    assert chosen.unidentified.sum(axis=1).tolist() == run.patients["unidentified"].to_pylist()
    for index, code in enumerate(counted_scheme(run).codes):
        of_class = {cell["row"] for cell in cells if cell["class"] == code}
        assert chosen.unidentified[:, index].sum() == len(unsure & of_class)
    assert set(chosen.shown["row"][chosen.shown["is_unidentified"]].tolist()) == unsure != set()


def test_rejected_cells_are_counted_by_reason(ward: Run) -> None:
    chosen = survey(ward, ward.patients["patient"].combine_chunks(), NOTHING)
    assert chosen.rejected.sum(axis=1).tolist() == ward.patients["rejected"].to_pylist()
    assert chosen.rejected.sum() == 1
