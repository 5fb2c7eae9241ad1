"""Holds what a timed stage gave against what it must give: nothing is fast by doing nothing."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from bloodcell._core import Accumulator
from bloodcell.bench.sample import Part, Sample, pixels_on_host
from bloodcell.engine.batches import EncodedBatch
from bloodcell.engine.object_store import Place
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.engine.rewriting import encoded_images
from bloodcell.errors import EngineError
from bloodcell.run import Run

CUT_ELSEWHERE = "other probabilities than from batches cut elsewhere"
_COLOUR_LEVELS = 8.0
"""By how much the mean colour of a cell may differ between DALI and Pillow, of 255 levels."""


def require(stage: str, good: bool, instead: str) -> None:
    """EngineError, and so no time, for a stage whose output is not good."""
    if not good:
        raise EngineError(
            f"the stage {stage} did not do its work, so its time is worth nothing: {instead}"
        )


def require_equal(
    stage: str, expected: Iterable[Any], outputs: Iterable[Any], instead: str
) -> None:
    """Each output is the array expected of it, bit for bit."""
    for array, output in zip(expected, outputs, strict=True):
        require(stage, np.array_equal(output, array), instead)


def check_read(sample: Sample, root: Place, outputs: list[EncodedBatch]) -> None:
    """Each cell has the bytes of its file, and the sample's reason."""
    for table, expected, output in zip(sample.tables, sample.encoded, outputs, strict=True):
        require("read", np.array_equal(output.reasons, expected.reasons), "other reasons")
        paths = table["path"].to_numpy()[output.reasons == 0]
        files = [(root / path).read_bytes() for path in paths]
        same = [bytes(cell) for cell in encoded_images(output)[1]] == files
        require("read", same, "other bytes than the files'")


def check_gate(outputs: list[npt.NDArray[np.uint8]]) -> None:
    """The last image of each batch, cut in half, is refused, the others are not."""
    for reasons in outputs:
        refused = np.flatnonzero(reasons).tolist()
        require("gate", refused == [len(reasons) - 1], "a whole image refused or a half one not")


def check_colours(sample: Sample, preprocessing: Preprocessing) -> None:
    """The sample's pixels are those of its files: one cell a batch against Pillow."""
    scale, offset = np.array(preprocessing.std) * 255, np.array(preprocessing.mean) * 255
    for encoded, images in zip(sample.encoded, sample.images, strict=True):
        decoded = np.flatnonzero(images.reasons[encoded.reasons == 0] == 0)
        if len(decoded):
            cell = encoded_images(encoded)[1][decoded[0]]
            expected = _mean_colour(bytes(cell), preprocessing.region)
            mean = pixels_on_host(images)[0].mean(axis=(1, 2)) * scale + offset
            close = bool(np.abs(mean - expected).max() <= _COLOUR_LEVELS)
            require("decode", close, f"mean colour {mean.round(1)}, Pillow {expected.round(1)}")


def check_accumulate(part: Part, passes: int, accumulator: Accumulator) -> None:
    """As many cells of each class, and as many rejected, as NumPy counts."""
    reasons = np.concatenate([batch.reasons for batch in part.scores])
    probabilities = np.concatenate([batch.probabilities for batch in part.scores])
    called = probabilities[reasons == 0].argmax(axis=1)
    counts = passes * np.bincount(called, minlength=probabilities.shape[1])
    same = np.array_equal(accumulator.class_counts.sum(axis=0), counts)
    require("accumulate", same, "other counts of the classes")
    rejected = int(accumulator.rejected.sum())
    same = rejected == passes * int((reasons != 0).sum())
    require("accumulate", same, f"{rejected} rejected cells")


def check_store(part: Part, path: Path) -> None:
    """The file holds the part's rows and probabilities; it is gone then, for the next to write."""
    with pq.ParquetFile(path) as file:
        stored = file.read(columns=["row", "path", "patient", "probabilities"])
    path.unlink()
    own = ["row", "path", "patient"]
    require("store", stored.select(own) == part.rows.select(own), "a file of other rows")
    expected = np.concatenate([batch.probabilities for batch in part.scores])
    require("store", _equal(stored["probabilities"], expected), "other probabilities on disk")


def check_run(run: Run, sample: Sample) -> None:
    """Every cell of the run is there, the sample's with the results of the stages alone."""
    rejected = sum(run.about["rejected"].values())
    whole = run.about["scored"] + rejected == run.about["cells"]
    require("end to end", whole, "cells neither scored nor rejected")
    cells = run.cells(["probabilities"])
    for batch in sample.scores:
        stored = cells["probabilities"].take(pa.array(batch.rows))
        same = _equal(stored, batch.probabilities)
        require("end to end", same, "other probabilities than the stages alone")


def _mean_colour(encoded: bytes, region: float) -> npt.NDArray[np.float64]:
    with Image.open(io.BytesIO(encoded)) as image:
        pixels = np.asarray(image.convert("RGB"))
    margins = [int(side * (1 - region) / 2) for side in pixels.shape[:2]]
    (top, left), (height, width) = margins, pixels.shape[:2]
    return pixels[top : height - top, left : width - left].mean(axis=(0, 1))  # type: ignore[no-any-return]


def _equal(stored: pa.ChunkedArray, expected: npt.NDArray[np.float32]) -> bool:
    """Lists of probabilities, null in every class where NaN is expected."""
    values = stored.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.array_equal(values, expected.ravel(), equal_nan=True)
