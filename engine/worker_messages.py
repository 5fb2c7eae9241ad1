"""What a worker process and the one that started it say to each other.

A worker's first answer is ``Ready``, then come batches, and ``Logged`` at any time. An error of the
tree ends the whole run.
"""

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Ready:
    """What a worker says first: it may be sent tables."""

    device: str
    """``CPU``, or the name of the GPU that it sees."""
    lane_count: int
    ahead: int
    """Tables that it takes before the first batch must be received."""
    batch_size: int
    made_of: dict[str, str]


@dataclass(frozen=True)
class Logged:
    """A line for the log of the process that started this one."""

    logger: str
    level: int
    message: str


def table_to_bytes(table: pa.Table) -> bytes:
    """Only the rows of ``table``, not what it may be a slice of, as pickling would."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def table_from_bytes(content: bytes) -> pa.Table:
    """The table of ``table_to_bytes``."""
    return pa.ipc.open_stream(content).read_all()
