"""Whether a run's review is what the answers come to that the audit log names."""

import pyarrow.parquet as pq

from bloodcell.errors import RunError
from bloodcell.review.folder import ReviewFolder, applications, logged_reviews, reviewed_cells
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
    tables = {folder.cells_path: expected, folder.patients_path: standing.patients(expected)}
    texts = {
        folder.agreement_path: standing.agreement_json(),
        folder.disagreements_path: standing.disagreements_csv(),
    }
    for path, content in (*tables.items(), *texts.items()):
        with reading(path, "delete it and apply the last answers again to write it anew"):
            is_so = (
                path.read_bytes() == content
                if isinstance(content, bytes)
                else pq.read_table(path).equals(content)
            )
        if not is_so:
            raise RunError(
                f"{path} is not what the answers come to: delete it and apply the last ones again"
            )
    return f"{expected.num_rows} answers in {len(applied)} files, shares computed again from them"
