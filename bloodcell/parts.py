"""A part of ``cells/``: scored batches, in any order, become the very bytes of its file."""

import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bloodcell._core import REASONS
from bloodcell.digests import DIGEST_BYTES, digest_column
from bloodcell.engine.batches import ScoreBatch
from bloodcell.errors import RunError
from bloodcell.scheme import Scheme

OF_MANIFEST = ["row", "patient", "path"]
"""What a part's table has of the manifest."""
OF_SCORES = [
    "status", "reason", "class", "blast_probability", "probabilities", "digest", "stained",
]  # fmt: skip
"""And what scoring adds."""
_TYPES = {
    "row": pa.int64(), "blast_probability": pa.float32(), "digest": pa.binary(DIGEST_BYTES),
    "stained": pa.bool_(),
}  # fmt: skip
"""Of a part's columns, where it is neither text nor the probabilities, a float32 a class."""

_NOT_SCORED = 255
_CLASSES = "bloodcell.classes"
"""In a part's metadata: the classes' codes in the order of ``probabilities``, as JSON."""


def is_part(table: pa.Table) -> bool:
    """Whether a table has a part's columns, in their order and types, of any number of classes."""
    names, types = OF_MANIFEST + OF_SCORES, {field.name: field.type for field in table.schema}
    if table.schema.names != names:
        return False
    stored = types.pop("probabilities")
    return (
        pa.types.is_fixed_size_list(stored)
        and stored.value_type == pa.float32()
        and all(kind == _TYPES.get(name, pa.string()) for name, kind in types.items())
    )


@dataclass(frozen=True)
class ScoredPart:
    """A part that is whole, and not yet written."""

    number: int
    rows: pa.Table
    """Of the manifest."""
    reasons: npt.NDArray[np.uint8]
    """Index into ``REASONS``, (N,)."""
    content: bytes
    """Of its file, to the last byte."""
    table: pa.Table
    """What ``content`` holds."""


def blast_probability(
    probabilities: npt.NDArray[np.float32], scheme: Scheme
) -> npt.NDArray[np.float32]:
    """Of each cell (N, C) the sum over the scheme's blast classes, (N,)."""
    blast = probabilities[:, scheme.is_blast].sum(axis=1, dtype=np.float32)
    # Rounding each class may lift the sum of several a step above one.
    return np.asarray(np.minimum(blast, np.float32(1)), np.float32)


def call_columns(
    probabilities: npt.NDArray[np.float32], rejected: npt.NDArray[np.bool_], scheme: Scheme
) -> dict[str, pa.Array]:
    """``class`` and ``blast_probability`` of N cells with (N, C); null where ``rejected``, (N,)."""
    best = probabilities.argmax(axis=1).astype(np.int32)
    return {
        "class": pa.array(scheme.codes).take(pa.array(best, mask=rejected)),
        "blast_probability": pa.array(blast_probability(probabilities, scheme), mask=rejected),
    }


def score_columns(scores: ScoreBatch, scheme: Scheme) -> dict[str, pa.Array]:
    """What ``cells/`` says of each cell besides the manifest's columns, in the order of rows."""
    rejected = scores.reasons != 0
    codes, probabilities = scheme.codes, scores.probabilities
    reason = pa.array(scores.reasons.astype(np.int32), mask=~rejected)
    columns = [
        pc.if_else(pa.array(rejected), "rejected", "scored"),
        pa.array(REASONS).take(reason),
        *call_columns(probabilities, rejected, scheme).values(),
        # A list of nulls, not a null list: Arrow before 26 cannot read that from Parquet.
        pa.FixedSizeListArray.from_arrays(
            pa.array(probabilities.ravel(), mask=np.repeat(rejected, len(codes))), len(codes)
        ),
        digest_column(scores.digests),
        pa.array(scores.stained, mask=rejected),
    ]
    return dict(zip(OF_SCORES, columns, strict=True))


class PartAssembler:
    """Collects the scored batches of one part, in any order; ``manifest`` holds its rows."""

    def __init__(self, manifest: pa.Table, scheme: Scheme) -> None:
        self.rows, self._scheme = manifest, scheme
        self._first_row = manifest["row"][0].as_py()
        cells = manifest.num_rows
        self._scores = ScoreBatch(
            rows=np.arange(self._first_row, self._first_row + cells),
            reasons=np.full(cells, _NOT_SCORED, np.uint8),
            probabilities=np.full((cells, len(scheme.classes)), np.nan, np.float32),
            digests=np.zeros((cells, DIGEST_BYTES), np.uint8),
            stained=np.zeros(cells, np.bool_),
        )

    @property
    def reasons(self) -> npt.NDArray[np.uint8]:
        """Index into ``REASONS``, (N,)."""
        return self._scores.reasons

    @property
    def complete(self) -> bool:
        """Whether every row has come."""
        return not (self.reasons == _NOT_SCORED).any()

    def add(self, batch: ScoreBatch) -> None:
        """Take a batch; RunError if one of its rows has come before."""
        places = batch.rows - self._first_row
        if (self.reasons[places] != _NOT_SCORED).any():
            raise RunError(f"rows {batch.rows[0]} to {batch.rows[-1]} came twice from the engine")
        self.reasons[places] = batch.reasons
        self._scores.probabilities[places] = batch.probabilities
        self._scores.digests[places] = batch.digests
        self._scores.stained[places] = batch.stained

    def table(self) -> pa.Table:
        """The part as it is stored."""
        columns = {name: self.rows[name] for name in OF_MANIFEST}
        table = pa.table(columns | score_columns(self._scores, self._scheme)).combine_chunks()
        return table.replace_schema_metadata({_CLASSES: json.dumps(self._scheme.codes)})

    def part(self, number: int) -> ScoredPart:
        """The whole part, as part ``number``."""
        table = self.table()
        return ScoredPart(number, self.rows, self.reasons, part_content(table), table)


def part_content(table: pa.Table) -> bytes:
    """The file of a part: equal bytes for equal tables, whoever makes it."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content
