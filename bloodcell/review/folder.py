"""Where the files of a run's review lie, and its tables as they were last written."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from bloodcell.run import Run
from bloodcell.store import reading


class ReviewFolder:
    """The paths below ``review`` in a run folder."""

    def __init__(self, run_folder: Path) -> None:
        self.folder = run_folder / "review"
        self.patients_path = self.folder / "patients.parquet"
        self.cells_path = self.folder / "cells.parquet"
        self.agreement_path = self.folder / "agreement.json"
        self.disagreements_path = self.folder / "disagreements.csv"
        self.answers = self.folder / "answers"
        """As they were applied, a file each time."""


def reviewed_patients(run: Run) -> dict[str, dict[str, Any]]:
    """Rows of ``review/patients.parquet`` by patient; none if nothing was reviewed.

    RunError if the table is damaged.
    """
    path = ReviewFolder(run.folder).patients_path
    if not path.exists():
        return {}
    with reading(path, "apply the last answers again to write it anew"):
        return {row["patient"]: row for row in pq.read_table(path).to_pylist()}
