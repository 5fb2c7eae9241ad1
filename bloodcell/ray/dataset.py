"""A Ray Data transform: batches with images in, the same batches with their scores out."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bloodcell._core import read_memory
from bloodcell.engine.backends.choice import choose_backend
from bloodcell.engine.batches import EncodedBatch, joined_scores
from bloodcell.engine.memory_file import memory_file
from bloodcell.engine.setup import Setup
from bloodcell.errors import InputError
from bloodcell.model import Model, load_model
from bloodcell.parts import OF_SCORES, score_columns
from bloodcell.ray.library import load_ray
from bloodcell.scheme import Equivalents, Specimen

_BATCH_CELLS = 256
"""Rows that an actor is given at a time, of which it makes batches for its lanes."""


def score_dataset(
    dataset: Any,
    model: str | Path | None = None,
    backend: str = "auto",
    *,
    column: str = "bytes",
    concurrency: Any = None,
    threads: int = 1,
    gpus: float = 0,
    batch_size: int = _BATCH_CELLS,
    profile: Specimen = "blood",
    blast_equivalents: Equivalents = "none",
) -> Any:
    """Score the images of a ``ray.data.Dataset``; the new one has their scores as columns.

    ``column``: encoded files (JPEG, PNG, BMP, TIFF), binary without nulls; all columns are carried
    through. New ones are as in ``cells/``: ``status``, ``reason``, ``class``,
    ``blast_probability``, ``probabilities``, ``digest``, ``stained``; a row's do not depend on the
    others. ``concurrency``: actors, as ``map_batches`` takes it, each with ``threads`` CPUs and
    ``gpus`` GPUs: a pair (least, most), or a number, which waits until there is room for all;
    ``batch_size``: rows an actor is given at once.

    The model is loaded here and travels with the job. An image that ends a decoder ends its actor:
    the gate before it lets through what no decoder is known to crash on, and a run by ``score``
    costs a cell. Raises PackageError without Ray, ModelError, InputError if the dataset has not
    the column or has one of a new name, and, when the dataset is computed, what ``Engine`` raises.
    """
    ray = load_ray()
    _check_columns(dataset, column)
    loaded = load_model(model).counted_as(profile, blast_equivalents)
    weights = loaded.network.weights.read_bytes()
    return dataset.map_batches(
        _Scoring,
        fn_constructor_args=(ray.put(weights), loaded, backend, column, threads),
        batch_format="pyarrow",
        batch_size=batch_size,
        num_cpus=threads,
        num_gpus=gpus or None,
        concurrency=concurrency,
    )


class _Scoring:
    """What an actor of Ray Data holds: lanes, opened once."""

    def __init__(self, weights: Any, model: Model, backend: str, column: str, threads: int) -> None:
        # Not above: whoever only asks for a transform loads no decoder.
        from bloodcell.engine.lanes import open_lanes
        from bloodcell.engine.stream import score_stream

        content = load_ray().get(weights)
        self._scheme, self._column = model.scheme, column
        setup = Setup(
            choice=choose_backend(backend),
            network=replace(model.network, weights=memory_file("model.onnx", content)),
            preprocessing=model.preprocessing,
            smears=model.smears,
            root=Path(),
            batch_size=None,
            threads=threads,
        )
        opened = open_lanes(setup)
        self._batch_size = opened.batch_size
        self._score = partial(score_stream, lanes=opened.lanes)

    def __call__(self, table: pa.Table) -> pa.Table:
        """``table`` with its scores."""
        images = table[self._column].to_pylist()
        starts = range(0, len(images), self._batch_size)
        batches = (self._encoded(images, start) for start in starts)
        whole = joined_scores(self._score(batches), len(self._scheme.classes))
        for name, values in score_columns(whole, self._scheme).items():
            table = table.append_column(name, values)
        return table

    def _encoded(self, images: list[bytes], start: int) -> EncodedBatch:
        some = images[start : start + self._batch_size]
        if any(image is None for image in some):
            raise InputError(f"the column {self._column!r} has a null where an image is expected")
        return EncodedBatch(np.arange(start, start + len(some)), *read_memory(some))


def _check_columns(dataset: Any, column: str) -> None:
    names = dataset.columns()
    if names is not None and column not in names:
        raise InputError(f"the dataset has no column {column!r}, it has {', '.join(names)}")
    if taken := sorted({*OF_SCORES} & {*(names or ())}):
        raise InputError(f"the dataset has a column {taken[0]!r} already, which scoring would add")
