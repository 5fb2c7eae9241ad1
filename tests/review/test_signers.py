"""Who is named as the signer of a result: whoever signed the cells as they count, nobody else."""

from collections.abc import Callable

import pytest
from helpers.reviews import answers_of, planned, seen

import bloodcell
from bloodcell.review.answers import Answers
from bloodcell.review.apply import apply_answers
from bloodcell.review.folder import reviewed_patients

BLAST, MONOCYTE = "blast_no_lineage_spec", "monocyte"
FIRST = "phantom-000"
Apply = Callable[..., list[str]]


@pytest.fixture
def apply(own_run: bloodcell.Run) -> Apply:
    """Apply what a reviewer says of the same cells of one patient; returns who signed."""
    own = planned(own_run)
    as_planned = answers_of(own, lambda _row: BLAST, [FIRST])

    def applied(reviewer: str, label: str, *, sign: bool = True) -> list[str]:
        one = as_planned.patients[FIRST]
        of_one = type(one)(dict.fromkeys(one.answers, label), sign, "", seen(own, FIRST))
        answers = Answers(as_planned.run, as_planned.plan, "", {FIRST: of_one})
        apply_answers(own, answers, reviewer, "answers.json")
        signed_by: list[str] = reviewed_patients(own)[FIRST]["signed_by"]
        return signed_by

    return applied


def test_two_who_sign_the_same_answers_both_signed(apply: Apply) -> None:
    assert apply("A", BLAST) == ["A"]
    assert apply("B", BLAST) == ["A", "B"]


def test_who_signed_before_another_changed_the_cells_did_not_sign_them(apply: Apply) -> None:
    apply("A", BLAST)
    assert apply("B", MONOCYTE, sign=False) == []
    assert apply("B", MONOCYTE) == ["B"]
    assert apply("A", MONOCYTE) == ["A", "B"]


def test_who_answers_without_signing_takes_the_own_signature_back(apply: Apply) -> None:
    apply("A", BLAST)
    assert apply("A", BLAST, sign=False) == []
