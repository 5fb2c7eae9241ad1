"""What outputs mean, by word and by deed: a swapped label map is refused."""

from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bloodcell.engine.backends.contract import Network
from bloodcell.engine.backends.onnxruntime import OnnxRuntimeBackend
from bloodcell.engine.decode import Decoder
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.engine.source import batches_of, read_files
from bloodcell.errors import InputError, ModelError
from bloodcell.importing.description import Description
from bloodcell.labels import read_labels
from bloodcell.scheme import Scheme

_BATCH = 32


def check_columns(columns: int, description: Description) -> None:
    """ModelError if a column that is merged or background is not there, or goes twice."""
    taken = set[int]()
    for column in (*(one.column for one in description.merge), *description.background):
        if column >= columns or column in taken:
            raise ModelError(
                f"column {column} is merged or background, but the network has columns 0 to "
                f"{columns - 1}, each of which goes once"
            )
        taken.add(column)
    for one in description.merge:
        if one.into >= columns or one.into in taken:
            raise ModelError(f"column {one.column} is merged into {one.into}, which is not left")


def check_words(label_map: dict[str, str], scheme: Scheme) -> None:
    """ModelError unless ``label_map``, if it is not empty, says what ``scheme`` says."""
    if not label_map:
        return
    names = {c.code: c.name for c in scheme.classes}
    if sorted(label_map) != sorted(names):
        foreign = sorted(set(label_map) ^ set(names))
        raise ModelError(
            f"the label map is of another scheme than {scheme.name!r}: {foreign} stand in one "
            "of the two only"
        )
    for code, name in label_map.items():
        if _words(name) != _words(names[code]):
            raise ModelError(
                f"the label map calls {code} {name!r}, scheme {scheme.name!r} calls it "
                f"{names[code]!r}: if codes or names were swapped, so would be what is counted"
            )
    places = enumerate(zip(label_map, scheme.codes, strict=True))
    wrong = [f"{place}: {own} for {code}" for place, (own, code) in places if own != code]
    if wrong:
        raise ModelError(
            f"the label map has other outputs than scheme {scheme.name!r} has in their places: "
            f"{', '.join(wrong)}"
        )


def _words(name: str) -> list[str]:
    letters = "".join(one.lower() if one.isalpha() else " " for one in name)
    return sorted(letters.split())


def check_deeds(
    labels_csv: Path, weights: Path, scheme: Scheme, preprocessing: Preprocessing
) -> tuple[int, int]:
    """Score the images of ``labels_csv`` (``path``, ``class``): how many, and how many right.

    Raises ModelError if two classes are read better with their names exchanged, InputError if
    a label is no class or an image cannot be scored.
    """
    rows = read_labels(labels_csv, ("path", "class"))
    if unknown := sorted({row["class"] for row in rows} - set(scheme.codes)):
        raise InputError(f"{labels_csv} has classes that {scheme.name!r} does not know: {unknown}")
    labels = np.array([scheme.codes.index(row["class"]) for row in rows])
    network = Network(weights, preprocessing.input_px, len(scheme.codes), temperature=1.0)
    backend = OnnxRuntimeBackend(network, threads=1)
    decoder = Decoder(preprocessing, batch_size=_BATCH, threads=1)
    table = pa.table({"row": np.arange(len(rows)), "path": [row["path"] for row in rows]})
    called = []
    for encoded in read_files(labels_csv.resolve().parent, batches_of(table, _BATCH)):
        images = decoder.decode_batch(encoded)
        if images.reasons.any():
            bad = rows[int(images.rows[int(images.reasons.argmax())])]["path"]
            raise InputError(f"golden image {bad} of {labels_csv} cannot be scored")
        called.append(backend.probabilities(images.pixels).argmax(axis=1))
    _check_pairs(labels, np.concatenate(called), scheme)
    return len(labels), int((np.concatenate(called) == labels).sum())


def _check_pairs(
    labels: npt.NDArray[np.int64], called: npt.NDArray[np.int64], scheme: Scheme
) -> None:
    counts = np.zeros((len(scheme.codes),) * 2, np.int64)
    np.add.at(counts, (labels, called), 1)
    for one, other in combinations(np.unique(labels).tolist(), 2):
        stated = counts[one, one] + counts[other, other]
        exchanged = counts[one, other] + counts[other, one]
        if exchanged > stated and 2 * exchanged > counts[[one, other]].sum():
            names = [f"{scheme.codes[n]} ({scheme.classes[n].name})" for n in (one, other)]
            raise ModelError(
                f"of the golden images of {names[0]} and {names[1]} {exchanged} are called by the "
                f"other's name and {stated} by their own: the two outputs are swapped"
            )
