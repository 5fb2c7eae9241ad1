"""The file of a run's plan: the cells that were chosen to be looked at."""

import hashlib
import json
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
        ("after_answers", pa.int32()),
    ]
)

_IDENTITY = b"identity"
"""In the metadata of the file."""

_REMEDY = "delete it and run `bloodcell review plan` again"


def plan_path(run: Run) -> Path:
    """Where the plan of a run is."""
    return run.folder / "review" / "plan.parquet"


def read_plan(run: Run) -> pa.Table:
    """The plan written last, without rows if there is none; RunError if it is damaged."""
    path = plan_path(run)
    if not path.exists():
        return PLAN_SCHEMA.empty_table()
    with reading(path, _REMEDY):
        return pq.read_table(path, schema=PLAN_SCHEMA)


def plan_identity(run: Run) -> str:
    """What answers name the plan by: SHA-256 of its first cells; "" if there is none.

    It stays when further cells are planned. RunError if the plan is damaged.
    """
    path = plan_path(run)
    if not path.exists():
        return ""
    with reading(path, _REMEDY):
        metadata = pq.read_schema(path).metadata or {}
    return str(metadata.get(_IDENTITY, b"").decode())


def with_identity(run: Run, plan: pa.Table) -> pa.Table:
    """``plan`` as it is stored: named as the plan that it extends, or by its own cells."""
    text = json.dumps(plan.to_pydict())
    identity = plan_identity(run) or hashlib.sha256(text.encode()).hexdigest()
    return plan.replace_schema_metadata({_IDENTITY: identity})


def write_plan(run: Run, plan: pa.Table) -> Path:
    """Write ``review/plan.parquet``; DiskError if it cannot be written."""
    path, stored = plan_path(run), with_identity(run, plan)
    with writing(path.parent):
        path.parent.mkdir(exist_ok=True)
    write_whole(path, lambda beside: pq.write_table(stored, beside))
    return path
