"""What is written in a run folder, and whether a folder may become one; light."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bloodcell.errors import RunError
from bloodcell.files import is_left_over
from bloodcell.locks import HOLDER, LOCK

RECORD, MANIFEST, CELLS, AUDIT = "run.json", "manifest.parquet", "cells", "audit.jsonl"

_WRITTEN_IN = {
    "": r"run\.json|manifest\.parquet|patients\.(?:parquet|csv)|audit\.jsonl|\.holder",
    CELLS: r"part-\d+\.parquet",
    "report": r"index\.html|standing\.js",
    "report/assets": r"[a-z]+\.(?:js|css)",
    "report/images": r"\d+\.js",
    "report/patients": r"\d+\.html",
    "review": r"(?:plan|cells|patients)\.parquet|agreement\.json|disagreements\.csv",
    "review/answers": r"\d+-.*\.json",
    "evaluation": r"evaluation\.json|doubts\.(?:csv|html)|[a-z]+\.svg",
    "export": r"patients\.(?:csv|xlsx)",
}
"""What is written in which folder of a run, as regular expressions."""
_BEFORE_A_RECORD = re.compile("|".join(map(re.escape, (LOCK, HOLDER, CELLS, MANIFEST))))

_WRITTEN_FIRST = re.compile(rf"{CELLS}/{_WRITTEN_IN[CELLS]}|{_WRITTEN_IN['']}")
"""Parts, and what lies beside them."""


def left_over(folder: Path) -> Iterator[Path]:
    """Files in a run folder that a process which was killed had not finished."""
    for below, written in _WRITTEN_IN.items():
        for path in (folder / below).glob("*.new"):
            if is_left_over(path.name, of=written):
                yield path


def refuse_foreign(folder: Path) -> None:
    """RunError if there is no ``run.json`` and the folder is not free to get one."""
    if (folder / RECORD).exists() or not folder.exists():
        return
    try:
        entries = [*folder.iterdir(), *(folder / CELLS).glob("*")]
    except OSError as error:
        raise RunError(f"{folder} cannot be read ({error}): choose another --out") from error
    may_precede_a_record = {*left_over(folder)}
    foreign = sorted(
        str(path.relative_to(folder))
        for path in entries
        if path not in may_precede_a_record
        and not (path.parent == folder and _BEFORE_A_RECORD.fullmatch(path.name))
    )
    if written := [name for name in foreign if _WRITTEN_FIRST.fullmatch(name)]:
        raise RunError(
            f"{folder} holds files of a run ({written[0]}, ...) and no {RECORD}, which says what "
            "they are of: restore it from a copy, or choose a new --out"
        )
    if foreign:
        raise RunError(
            f"{folder} is not empty and holds no run ({foreign[0]}, ...): choose a new --out"
        )


def refuse_other_job(folder: Path, begun: Mapping[str, Any], job: Mapping[str, Any]) -> None:
    """RunError if the run in ``folder`` was begun with another of the entries of ``job``."""
    for name, would_be in job.items():
        if begun[name] != would_be:
            raise RunError(
                f"{folder} belongs to another job: its {name} is {begun[name]}, now it would "
                f"be {would_be}. Choose a new --out"
            )
