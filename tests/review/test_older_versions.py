"""A review that another version of bloodcell computed: it stands as signed, and is told."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.reviews import answers_of

import bloodcell
from bloodcell import __version__
from bloodcell.review.apply import apply_answers
from bloodcell.review.folder import reviewed_patients
from bloodcell.verification import verify

LATER = 0.25
"""By how much the other version's shares lie beside this one's."""


def apply(run: bloodcell.Run, patient: str, reviewer: str) -> None:
    answers = answers_of(run, lambda _row: "monocyte", [patient])
    apply_answers(bloodcell.open_run(run.folder), answers, reviewer, "answers.json")


def made_by_another_version(run: bloodcell.Run, *, shift: float = LATER) -> Path:
    """The table of patients as a version left it that noted none, its shares ``shift`` beside."""
    path = run.folder / "review" / "patients.parquet"
    table = pq.read_table(path, partitioning=None).drop_columns(["version"])
    place = table.schema.get_field_index("blast_percent_high")
    shares = [share + shift for share in table["blast_percent_high"].to_pylist()]
    pq.write_table(table.set_column(place, "blast_percent_high", pa.array(shares)), path)
    return path


def said_of_review(run: bloodcell.Run) -> tuple[bool, str]:
    (finding,) = [one for one in verify(run.folder) if one.what == "review"]
    return finding.good, finding.says


@pytest.fixture
def names(own_run: bloodcell.Run) -> list[str]:
    return own_run.patients["patient"].to_pylist()[:2]


def test_what_another_version_computed_stands_until_it_is_signed_anew(
    own_run: bloodcell.Run, names: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    first, second = names
    apply(own_run, first, "Ann")
    path = made_by_another_version(own_run)
    signed = reviewed_patients(own_run)[first]
    good, says = said_of_review(own_run)
    assert not good
    assert says.startswith(f"{path} has rows that were made by another version of bloodcell")
    assert "one that noted none" in says
    assert f"of patient {first}: " in says
    assert "delete" not in says
    apply(own_run, second, "Bob")
    assert "they stay as they are" in caplog.text
    rows = reviewed_patients(own_run)
    assert rows[first] == signed | {"version": None}
    assert rows[second]["version"] == __version__
    good, says = said_of_review(own_run)
    assert not good
    assert f"of patient {first}: " in says
    apply(own_run, first, "Ann")
    assert reviewed_patients(own_run)[first]["blast_percent_high"] != signed["blast_percent_high"]
    assert said_of_review(own_run)[0]


def test_a_review_of_another_version_with_the_same_numbers_is_good(
    own_run: bloodcell.Run, names: list[str]
) -> None:
    apply(own_run, names[0], "Ann")
    made_by_another_version(own_run, shift=0.0)
    assert said_of_review(own_run)[0]


def test_what_is_changed_beside_rows_of_another_version_is_not_to_be_deleted(
    own_run: bloodcell.Run, names: list[str]
) -> None:
    for name in names:
        apply(own_run, name, "Ann")
    path = made_by_another_version(own_run)
    table = pq.read_table(path, partitioning=None)
    pq.write_table(table.slice(1), path)
    good, says = said_of_review(own_run)
    assert not good
    assert "is not what the answers come to: restore it from a copy" in says


def test_that_rows_of_another_version_are_computed_anew_is_told(
    own_run: bloodcell.Run, names: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    apply(own_run, names[0], "Ann")
    made_by_another_version(own_run)
    (own_run.folder / "review" / "cells.parquet").unlink()
    apply(own_run, names[1], "Bob")
    assert "this one computes them anew" in caplog.text
    assert said_of_review(own_run)[0]
