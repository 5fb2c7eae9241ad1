"""Whether a run's review is what the answers come to that the audit log names."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bloodcell import __version__
from bloodcell.errors import RunError
from bloodcell.review.folder import (
    REMEDY,
    ReviewFolder,
    applications,
    logged_reviews,
    of_other_versions,
    reviewed_cells,
)
from bloodcell.review.planned import read_plan
from bloodcell.review.standing import Standing
from bloodcell.run import Run
from bloodcell.store import reading


def check_review(run: Run) -> str:
    """What is good of it; RunError for what is not. Nothing is written.

    The shares are computed again from the stored answers, and from which of the cells had been
    drawn when they were applied: the plan may have grown since.
    """
    folder, logged = ReviewFolder(run.folder), logged_reviews(run)
    applied, cells = list(applications(run)), reviewed_cells(run)
    if not logged:
        if folder.patients_path.exists():
            raise RunError(f"{folder.patients_path} is there, and the audit log names no answers")
        return "none"
    if not applied:
        return "none of these results, which were counted anew since"
    if cells is None:
        raise RunError(f"{folder.cells_path} is missing: apply the last answers again")
    planned = set(cells.filter(cells["planned"])["row"].to_pylist())
    if not planned <= set(read_plan(run)["row"].to_pylist()):
        raise RunError(f"{folder.cells_path} calls cells planned that the plan has not")
    standing = Standing(run, applied)
    expected = standing.cells(planned)
    texts = {
        folder.agreement_path: standing.agreement_json(),
        folder.disagreements_path: standing.disagreements_csv(),
    }
    others = of_other_versions(run)
    if not _read(folder.cells_path).equals(expected):
        raise _not_of_answers(folder.cells_path, others)
    _check_patients(folder.patients_path, standing.patients(expected), others)
    for path, text in texts.items():
        with reading(path, REMEDY):
            is_so = path.read_bytes() == text
        if not is_so:
            raise _not_of_answers(path, others)
    return f"{expected.num_rows} answers in {len(applied)} files, shares computed again from them"


def _read(path: Path) -> pa.Table:
    with reading(path, REMEDY):
        return pq.read_table(path, partitioning=None)


def _check_patients(path: Path, expected: pa.Table, others: Mapping[str, str]) -> None:
    """RunError for a table of other rows than ``expected``; ``others``: ``of_other_versions``."""
    stored = _read(path)
    if stored.equals(expected):
        return
    differing = _differing(stored, expected)
    if not (others and differing <= others.keys()):
        raise _not_of_answers(path, others)
    if differing:
        more = f" and {len(differing) - 1} more" if len(differing) > 1 else ""
        raise RunError(
            f"{path} has rows that were made by another version of bloodcell "
            f"({_versions(others, differing)}), of patient {min(differing)}{more}: this one, "
            f"{__version__}, comes to other numbers and cannot verify them. They stand as they "
            "were signed; to have them computed by this version, sign these patients anew"
        )


def _differing(stored: pa.Table, expected: pa.Table) -> set[str]:
    """Patients whose rows are others, whichever version they note."""
    first, second = (
        {row["patient"]: row | {"version": None} for row in table.to_pylist()}
        for table in (stored, expected)
    )
    return {name for name in {**first, **second} if first.get(name) != second.get(name)}


def _not_of_answers(path: Path, others: Mapping[str, str]) -> RunError:
    advice = "delete it and apply the last ones again"
    if others:
        advice = (
            f"restore it from a copy. Do not delete it: rows of {len(others)} patients that "
            f"another version of bloodcell made ({_versions(others, others)}) would be computed "
            "anew by this one"
        )
    return RunError(f"{path} is not what the answers come to: {advice}")


def _versions(others: Mapping[str, str], patients: Iterable[str]) -> str:
    return ", ".join(sorted({others[name] for name in patients}))
