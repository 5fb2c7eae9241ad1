"""A finished (or unfinished) run, as Python sees it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bloodcell.errors import RunError
from bloodcell.store import RunStore


@dataclass(frozen=True)
class Run:
    """One run folder. ``about`` is its ``run.json``."""

    folder: Path
    about: dict[str, Any]

    @property
    def patients(self) -> pa.Table:
        """One row a patient (``patients.parquet``)."""
        return pq.read_table(RunStore(self.folder).patients)

    def cells(self, columns: list[str] | None = None) -> pa.Table:
        """One row a cell, in row order; RunError if parts are gone. None reads all columns."""
        parts = RunStore(self.folder).parts()
        rows = sum(pq.read_metadata(part).num_rows for part in parts)
        if rows != self.about["cells"]:
            raise RunError(
                f"{self.folder} holds {rows} of its {self.about['cells']} cells: run the same "
                "`bloodcell score` again to redo the others"
            )
        # Without partitioning=None a run folder named a=b would add a column a.
        return pq.ParquetDataset(parts, partitioning=None).read(columns=columns)

    @property
    def reject_rate(self) -> float:
        """Share of the cells that were rejected, 0 to 1."""
        cells, scored = int(self.about["cells"]), int(self.about["scored"])
        return (cells - scored) / cells


def open_run(folder: str | Path) -> Run:
    """Open a finished run; RunError if the folder is none or the run is not done."""
    store = RunStore(Path(folder))
    about = store.read_about()
    if about["state"] != "done":
        raise RunError(
            f"{store.folder} is not done ({about['state']}): run the same `bloodcell score` again "
            "to finish it"
        )
    return Run(store.folder, about)
