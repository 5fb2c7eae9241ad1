"""New answers held against those applied before: what they sign unseen, what is another's."""

from collections.abc import Iterable, Sequence

from bloodcell.errors import InputError
from bloodcell.review.answers import PatientAnswers
from bloodcell.review.folder import Application

_SHOWN = 5
"""How many cells, by row, a message names."""


def check_against_earlier(earlier: Sequence[Application], this: Application, source: str) -> None:
    """InputError naming ``source``, patient, readers and cells if ``this`` does not follow.

    It may not sign a patient of whom other readers' answers were applied that its page did not
    show, nor take back what its reviewer never said. What was applied last may be applied
    again.
    """
    for name, given in this.answers.patients.items():
        before = [
            (one.number, one.reviewer, one.answers.patients[name])
            for one in earlier
            if name in one.answers.patients
        ]
        if before and before[-1][1:] == (this.reviewer, given):
            continue  # once more what was applied last
        unseen: dict[str, list[PatientAnswers]] = {}
        for number, reviewer, answers in before:
            if number > given.seen and reviewer != this.reviewer:
                unseen.setdefault(reviewer, []).append(answers)
        if given.sign and unseen:
            said = "; ".join(f"{who} {_said(answers)}" for who, answers in unseen.items())
            raise InputError(
                f"{source} signs patient {name}, whose result changed after the page was opened: "
                f"{said}. Open the report again and sign what it shows then, or save the answers "
                "without the signature"
            )
        own = [answers for _, reviewer, answers in before if reviewer == this.reviewer]
        _check_taken_back(given, own, f"{source}, patient {name}: {this.reviewer}")


def _check_taken_back(given: PatientAnswers, own: Sequence[PatientAnswers], who: str) -> None:
    said = {row for answers in own for row in answers.answers}
    taken_back = {row for row, code in given.answers.items() if code is None}
    if foreign := sorted(taken_back - said):
        raise InputError(
            f"{who} never answered {_rows(foreign)}, which the file takes back. Another reader's "
            "answer stays: answer the cell differently"
        )
    if given.comment is None and not any(answers.comment for answers in own):
        raise InputError(
            f"{who} has no remark, which the file takes back. Another reader's stays: write one"
        )


def _said(answers: Iterable[PatientAnswers]) -> str:
    """What one reader did, for people."""
    rows = sorted({row for one in answers for row in one.answers})
    done = [f"answered {_rows(rows)}"] if rows else []
    if any(one.comment != "" for one in answers):
        done.append("remarked")
    if any(one.sign for one in answers):
        done.append("signed")
    return " and ".join(done) or "took the signature back"


def _rows(rows: Sequence[int]) -> str:
    shown = ", ".join(map(str, rows[:_SHOWN]))
    more = f", ... ({len(rows)} in all)" if len(rows) > _SHOWN else ""
    return f"the cells of rows {shown}{more}" if len(rows) > 1 else f"the cell of row {shown}"
