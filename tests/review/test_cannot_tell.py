"""Cells of which a reader cannot tell what they are: not looked at, and not asked for again."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from helpers.reviews import answers_of, saved

import bloodcell
from bloodcell.cli import main
from bloodcell.errors import ModelError
from bloodcell.export.results import results_of
from bloodcell.review.apply import Applied, apply_answers
from bloodcell.review.estimate import reviewed_shares
from bloodcell.review.folder import reviewed_cells, reviewed_patients
from bloodcell.review.labels import signed_labels
from bloodcell.review.planned import read_plan
from bloodcell.review.standing import as_they_count
from bloodcell.scheme import CANNOT_TELL, read_scheme
from bloodcell.verification import verify

BLAST, MONOCYTE = "blast_no_lineage_spec", "monocyte"
FIRST = "phantom-000"


def label(row: int) -> str:
    """So that 10 % lies inside the interval of the first round."""
    return MONOCYTE if row % 8 else BLAST


def apply(
    run: bloodcell.Run, say: Callable[[int], str], reviewer: str = "A", *, sign: bool = False
) -> Applied:
    given = answers_of(run, say, [FIRST], sign=sign)
    return apply_answers(bloodcell.open_run(run.folder), given, reviewer, "answers.json")


@pytest.fixture
def rows(own_run: bloodcell.Run) -> list[int]:
    """Of the first round, as it is asked for."""
    plan = read_plan(own_run).to_pylist()
    return [one["row"] for one in plan if one["patient"] == FIRST]


def test_such_cells_count_as_not_looked_at(own_run: bloodcell.Run, rows: list[int]) -> None:
    plan = read_plan(own_run)
    hard = rows[:2]
    applied = apply(own_run, lambda row: CANNOT_TELL if row in hard else label(row), sign=True)
    row = reviewed_patients(own_run)[FIRST]
    assert (row["status"], row["cells_looked_at"]) == ("final", len(rows) - 2)
    assert applied.entries()["cannot_tell"] == {FIRST: 2}
    cells = reviewed_cells(own_run)
    assert cells is not None
    once = as_they_count(cells)
    assert {c["row"] for c in once.to_pylist() if c["counts_as"] == CANNOT_TELL} == set(hard)
    told = [cell["row"] not in hard for cell in once.to_pylist()]
    (share,) = reviewed_shares(own_run, once.filter(told), plan).to_pylist()
    assert {name: row[name] for name in share if name != "patient"} == {
        name: value for name, value in share.items() if name != "patient"
    }
    network = next(one for one in own_run.patients.to_pylist() if one["patient"] == FIRST)
    count = sum(value for name, value in row.items() if name.startswith("n_"))
    assert count == network["scored"]
    assert all(finding.good for finding in verify(own_run.folder))
    (labels,) = signed_labels(bloodcell.open_run(own_run.folder))
    assert len(labels.is_blast) == len(rows) - 2


def test_others_are_drawn_in_their_place_and_they_never_again(
    own_run: bloodcell.Run, rows: list[int]
) -> None:
    def say(row: int) -> str:
        return CANNOT_TELL if row in rows else label(row)

    while apply(own_run, say).waiting:
        pass
    drawn = [one["row"] for one in read_plan(own_run).to_pylist() if one["patient"] == FIRST]
    assert len(drawn) == len(set(drawn)) > len(rows)
    assert reviewed_patients(own_run)[FIRST]["cells_looked_at"] == len(drawn) - len(rows)


def test_where_no_cell_can_be_told_the_share_is_the_networks(own_run: bloodcell.Run) -> None:
    apply(own_run, lambda _row: CANNOT_TELL)
    row = reviewed_patients(own_run)[FIRST]
    network = next(one for one in own_run.patients.to_pylist() if one["patient"] == FIRST)
    assert (row["basis"], row["cells_looked_at"]) == (None, 0)
    assert row["blast_percent"] == network["blast_percent"]
    results = next(iter(results_of(bloodcell.open_run(own_run.folder))))
    assert any("readers cannot tell" in note for note in results.notes)


def test_who_can_tell_and_who_cannot_disagree(own_run: bloodcell.Run, rows: list[int]) -> None:
    apply(own_run, label, "A")
    second = apply(own_run, lambda row: CANNOT_TELL if row == rows[0] else label(row), "B")
    assert second.disputed == [(FIRST, rows[0])]
    listed = (own_run.folder / "review" / "disagreements.csv").read_text()
    assert f"A: {label(rows[0])}; B: {CANNOT_TELL}" in listed
    third = apply(own_run, lambda row: CANNOT_TELL if row == rows[0] else label(row), "C")
    assert (third.disputed, third.not_told) == ([], {FIRST: 1})


def test_the_command_says_how_many(own_run: bloodcell.Run, rows: list[int], tmp_path: Path) -> None:
    file = saved(answers_of(own_run, lambda _row: CANNOT_TELL, [FIRST]), tmp_path / "answers.json")
    words = ["review", "apply", str(own_run.folder), str(file), "--reviewer", "A"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.stderr
    said = f"{FIRST}: cells that readers cannot tell, counted as the network called them and as not"
    assert f"{said} looked at: {len(rows)}\n" in done.stdout


def test_no_class_of_a_scheme_is_called_so(tmp_path: Path) -> None:
    scheme = tmp_path / "own.toml"
    scheme.write_text(
        'title = "t"\nsource = "s"\n[[class]]\ncode = "cannot_tell"\nname = "n"\nrole = "blast"\n'
    )
    with pytest.raises(ModelError, match="'cannot_tell' is what a reader answers"):
        read_scheme(scheme, "own")
