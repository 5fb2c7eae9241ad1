"""The answers of one reviewer: a JSON file that belongs to one run and one plan of it.

``{"format": "bloodcell answers 1", "run": ..., "plan": ..., "reviewer": "", "patients": {"P1":
{"answers": [{"row": 12, "class": "monocyte"}], "sign": true, "comment": "", "seen": 0}}}``, as
docs/report.md explains it. The report's page writes it, ``bloodcell review`` takes it.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any

from bloodcell.errors import InputError
from bloodcell.files import sha256_of
from bloodcell.review.planned import plan_identity
from bloodcell.run import Run
from bloodcell.scheme import CANNOT_TELL
from bloodcell.store import RunStore

FORMAT = "bloodcell answers 1"
LARGEST_FILE = 64 << 20
"""Bytes. An answer is 50 to 70 of them: a million fit, and no other file is read to its end."""

_SHOWN = 5
"""How many rows at fault a message names."""


@dataclass(frozen=True)
class PatientAnswers:
    """What was answered of one patient's cells."""

    answers: dict[int, str | None]
    """Row in the manifest to the code of the class that the reviewer sees, or ``CANNOT_TELL``; None
    takes back what the reviewer said before."""
    sign: bool
    """Whether the reviewer signs the patient's result."""
    comment: str | None
    """A remark; empty says nothing, None takes back the reviewer's own."""
    seen: int = 0
    """Number of the last answers of the patient that the page showed; 0 if it showed none."""


@dataclass(frozen=True)
class Answers:
    """One file of answers."""

    run: str
    """``run_identity`` of the run that the page was made of."""
    plan: str
    """``plan_identity`` of that run when the page was made."""
    reviewer: str
    """As typed on the page; may be empty."""
    patients: dict[str, PatientAnswers] = field(default_factory=dict)


def run_identity(run: Run) -> str:
    """SHA-256 over the digests of a run's manifest and patients: another result, another one."""
    patients_sha256 = sha256_of(RunStore(run.folder).patients_path)
    return hashlib.sha256(f"{run.record.manifest_sha256} {patients_sha256}".encode()).hexdigest()


def read_answers(path: Path) -> Answers:
    """Read a file of answers; InputError naming ``path`` if it is none."""
    try:
        with path.open("rb") as file:
            return parse_answers(file.read(LARGEST_FILE + 1), str(path))
    except OSError as error:
        raise InputError(f"cannot read answers {path}: {error.strerror or error}") from error


def parse_answers(text: bytes, source: str) -> Answers:
    """Answers of JSON in UTF-8; InputError naming ``source`` and the fault."""
    if len(text) > LARGEST_FILE:
        raise InputError(f"{source} is larger than answers are ({LARGEST_FILE} bytes at most)")
    try:
        return _answers(json.loads(text.decode(), object_pairs_hook=_without_twins))
    except (ValueError, RecursionError) as fault:
        raise InputError(
            f"{source} holds no answers of a report: {fault}. Save them from the report again"
        ) from fault


def check_answers(run: Run, answers: Answers, source: str) -> None:
    """Hold ``answers`` against ``run``; InputError naming ``source`` and what does not fit.

    They must be of this run's results and of its plan, however far that was extended, and name
    patients, scored cells of these, and classes that the run has.
    """
    if answers.run != run_identity(run):
        raise InputError(
            f"{source} belongs to another run than {run.folder}, or to results that have been "
            "counted anew since: answer on this run's own report"
        )
    if answers.plan != plan_identity(run):
        raise InputError(
            f"{source} is out of date: the plan of {run.folder} was made anew since its page was "
            "opened. Open the report again; it keeps the answers"
        )
    known = set(run.patients["patient"].to_pylist())
    codes = {*run.scheme.codes, CANNOT_TELL}
    for name, patient in answers.patients.items():
        if name not in known:
            raise InputError(f"{source} answers for the patient {name!r}, whom the run has not")
        if unknown := sorted({c for c in patient.answers.values() if c is not None} - codes):
            raise InputError(
                f"{source}, patient {name}: {unknown} are no classes of the run, which has "
                f"{sorted(codes)}"
            )
    _check_rows(run, answers, source)


def as_json(answers: Answers) -> str:
    """The file of ``answers``."""
    patients = {
        name: {
            "answers": [{"row": row, "class": code} for row, code in patient.answers.items()],
            "sign": patient.sign,
            "comment": patient.comment,
            "seen": patient.seen,
        }
        for name, patient in answers.patients.items()
    }
    content = {
        "format": FORMAT,
        "run": answers.run,
        "plan": answers.plan,
        "reviewer": answers.reviewer,
        "patients": patients,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _check_rows(run: Run, answers: Answers, source: str) -> None:
    """InputError unless each row is a scored cell of the patient it stands under."""
    rows = [row for patient in answers.patients.values() for row in patient.answers]
    cells = run.cells_at(rows, ["patient", "status"])
    for name, patient in answers.patients.items():
        own = {"patient": name, "status": "scored"}
        if foreign := [row for row in patient.answers if cells.get(row) != own]:
            raise InputError(
                f"{source}, patient {name}: rows {foreign[:_SHOWN]} are no scored cells of theirs "
                f"({len(foreign)} in all)"
            )


def _answers(entries: Any) -> Answers:
    _check_keys(
        entries, {"format": str, "run": str, "plan": str, "reviewer": str, "patients": dict}
    )
    if entries["format"] != FORMAT:
        raise ValueError(f"its format is {entries['format']!r}, not {FORMAT!r}")
    patients = {name: _patient(name, entry) for name, entry in entries["patients"].items()}
    return Answers(entries["run"], entries["plan"], entries["reviewer"], patients)


def _patient(name: str, entry: Any) -> PatientAnswers:
    # Left out: the page showed none.
    entry = {"seen": 0, **entry} if isinstance(entry, dict) else entry
    kinds = {"answers": list, "sign": bool, "comment": _text_or_null(entry, "comment"), "seen": int}
    _check_keys(entry, kinds, f" of patient {name!r}")
    if not 0 <= entry["seen"] < 1 << 31:
        raise ValueError(f"patient {name!r}: there are no answers number {entry['seen']}")
    answers: dict[int, str | None] = {}
    for answer in entry["answers"]:
        kinds = {"row": int, "class": _text_or_null(answer, "class")}
        _check_keys(answer, kinds, f" of an answer for patient {name!r}")
        row = answer["row"]
        if row in answers:
            raise ValueError(f"patient {name!r}: row {row} is answered twice")
        if not 0 <= row < 1 << 63:
            raise ValueError(f"patient {name!r}: there is no row {row}")
        answers[row] = answer["class"]
    return PatientAnswers(answers, entry["sign"], entry["comment"], entry["seen"])


def _text_or_null(entry: Any, key: str) -> type:
    """What ``key`` is to be: null takes something back, where it stands."""
    return NoneType if isinstance(entry, dict) and entry.get(key, "") is None else str


def _check_keys(entry: Any, kinds: Mapping[str, type], of: str = "") -> None:
    """ValueError unless ``entry`` is an object of just these keys, with values of these types."""
    if not isinstance(entry, dict) or entry.keys() != kinds.keys():
        has = sorted(entry) if isinstance(entry, dict) else repr(entry)[:40]
        raise ValueError(f"the entries{of} are {sorted(kinds)}, not {has}")
    for key, kind in kinds.items():
        # bool is an int to Python, and true is no row.
        if type(entry[key]) is not kind:
            raise ValueError(f"{key}{of} is {entry[key]!r:.40}")
        if kind is str and not _is_unicode(entry[key]):
            raise ValueError(f"{key}{of} is no text")


def _is_unicode(text: str) -> bool:
    """Whether UTF-8 can hold ``text``: JSON's escapes can spell halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; ValueError if it says a thing twice, for which of them would hold?"""
    entries = dict(pairs)
    if len(entries) != len(pairs):
        name, times = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"{name!r} stands in it {times} times")
    return entries
