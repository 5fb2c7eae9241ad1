"""Answers of a review, as a page would save them."""

from collections.abc import Callable, Iterable
from pathlib import Path

import bloodcell
from bloodcell.review.answers import Answers, PatientAnswers, as_json, run_identity
from bloodcell.review.folder import reviewed_patients
from bloodcell.review.plan import plan_review
from bloodcell.review.planned import plan_identity, read_plan, write_plan


def planned(run: bloodcell.Run, cells: int = 6) -> bloodcell.Run:
    """The same run, with a plan of so many cells a patient."""
    write_plan(run, plan_review(run, cells))
    return run


def answers_of(
    run: bloodcell.Run,
    label: Callable[[int], str],
    patients: Iterable[str] | None = None,
    *,
    sign: bool = True,
    comment: str = "",
) -> Answers:
    """What ``label`` says of each planned row, of these patients or all."""
    names = run.patients["patient"].to_pylist() if patients is None else patients
    rows = read_plan(run).to_pylist()
    return Answers(
        run_identity(run),
        plan_identity(run),
        "",
        {
            name: PatientAnswers(
                {one["row"]: label(one["row"]) for one in rows if one["patient"] == name},
                sign,
                comment,
                seen(run, name),
            )
            for name in names
        },
    )


def seen(run: bloodcell.Run, patient: str) -> int:
    """Which answers a page shows that is opened now."""
    number: int = reviewed_patients(run).get(patient, {}).get("last_answers", 0)
    return number


def saved(answers: Answers, path: Path) -> Path:
    path.write_text(as_json(answers), "utf-8")
    return path
