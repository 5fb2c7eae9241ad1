"""What a worker process and the one that started it say to each other."""

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Ready:
    """What a worker says first: it may be sent tables."""

    device: str
    """``CPU``, or the name of the GPU that it sees."""
    lane_count: int
    ahead: int
    """See ``LocalScorer.ahead``."""
    batch_size: int
    made_of: dict[str, str]


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
