"""The file of a run's plan: the cells that were chosen to be looked at."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bloodcell.files import write_whole, writing
from bloodcell.run import Run
from bloodcell.store import reading

PLAN_SCHEMA = pa.schema(
    [
        ("patient", pa.string()),
        ("order", pa.int32()),
        ("row", pa.int64()),
        ("stratum", pa.int16()),
        ("stratum_cells", pa.int64()),
        ("batch", pa.int32()),
    ]
)


def plan_path(run: Run) -> Path:
    """Where the plan of a run is."""
    return run.folder / "review" / "plan.parquet"


def read_plan(run: Run) -> pa.Table:
    """The plan written last, without rows if there is none; RunError if it is damaged."""
    path = plan_path(run)
    if not path.exists():
        return PLAN_SCHEMA.empty_table()
    with reading(path, "delete it and run `bloodcell review plan` again"):
        return pq.read_table(path, schema=PLAN_SCHEMA)


def write_plan(run: Run, plan: pa.Table) -> Path:
    """Write ``review/plan.parquet``; DiskError if it cannot be written."""
    path = plan_path(run)
    with writing(path.parent):
        path.parent.mkdir(exist_ok=True)
    write_whole(path, lambda beside: pq.write_table(plan, beside))
    return path
