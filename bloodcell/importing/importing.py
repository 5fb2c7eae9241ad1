"""From a file that others made to a model folder that ``score`` takes as it is."""

import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tomli_w
from onnx import numpy_helper

from bloodcell.architectures.onnx_graph import tidy
from bloodcell.engine.backends.onnx.file import checked_bytes
from bloodcell.errors import InputError, ModelError
from bloodcell.files import path_beside, sha256_of, write_whole, writing
from bloodcell.importing.description import Description, read_description
from bloodcell.importing.graph import blue_first, with_outputs
from bloodcell.importing.label_map import check_columns, check_deeds, check_words
from bloodcell.importing.self_test import Agreement, compare
from bloodcell.importing.source import SourceNetwork
from bloodcell.model import Model, load_model
from bloodcell.scheme import Scheme, copied_scheme, load_scheme

_KERAS = (".h5", ".hdf5", ".keras")
_UNCALIBRATED = (
    "nothing: the probabilities are the network's own, and shares are counted without adjustment "
    "until `bloodcell calibrate` has seen labelled patients"
)


def import_network(
    source: Path,
    out: Path,
    *,
    description: str | Path,
    scheme: str | None = None,
    architecture: str | None = None,
    golden: Path | None = None,
) -> Model:
    """Make the model folder ``out`` of the network in the file ``source``.

    ``description``: the name of one that comes with bloodcell, or a TOML file; ``scheme`` and
    ``architecture`` state what it does not. ``golden``: a CSV with ``path`` (relative to it) and
    ``class`` of images whose cells are known, which the outputs must not read better with two
    names exchanged. Nothing is written unless the network gives what its source gives. Raises
    InputError, ModelError, PackageError, DiskError.
    """
    if out.exists():
        raise InputError(f"{out} is there already: choose another --out")
    stated = _completed(read_description(description), scheme, architecture, str(description))
    classes = load_scheme(str(stated.scheme))
    check_words(stated.label_map, classes)
    read = _read(source, stated)
    weights, agreement = _scored_form(read, stated, classes)
    beside = path_beside(out)
    with writing(out):
        beside.mkdir(parents=True)
    try:
        write_whole(beside / "model.onnx", lambda path: path.write_bytes(weights))
        card = {
            "name": out.name,
            "version": "1",
            "weights_sha256": sha256_of(beside / "model.onnx"),
            **_card(source, stated, classes, read, agreement),
        }
        if golden:
            cells, right = check_deeds(golden, beside / "model.onnx", classes, stated.preprocessing)
            card["import"]["golden_images"] = {"cells": cells, "right": right}
        card |= copied_scheme(str(stated.scheme), beside)
        text = tomli_w.dumps(card)
        write_whole(beside / "card.toml", lambda path: path.write_text(text, encoding="utf-8"))
        load_model(beside)
        beside.rename(out)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return load_model(out)


def _completed(
    description: Description, scheme: str | None, architecture: str | None, name: str
) -> Description:
    """With what the command line states; InputError where both state something else."""
    for what, own, given in (
        ("scheme", description.scheme, scheme),
        ("architecture", description.architecture, architecture),
    ):
        if own and given and own != given:
            raise InputError(f"{name} says {what} = {own!r}, --{what} says {given!r}: which is it?")
    if not (description.scheme or scheme):
        raise InputError(f"{name} names no scheme: give --scheme")
    return replace(
        description,
        scheme=description.scheme or scheme,
        architecture=description.architecture or architecture,
    )


def _read(source: Path, stated: Description) -> SourceNetwork:
    if not source.is_file():
        raise InputError(f"cannot read {source}: there is no such file")
    input_px, suffix = stated.preprocessing.input_px, source.suffix.lower()
    if suffix == ".onnx":
        from bloodcell.importing.onnx_source import read_onnx_file

        return read_onnx_file(source, input_px)
    if suffix in _KERAS:
        if stated.architecture == "matek2019":
            from bloodcell.importing.keras_weights import read_keras_weights

            return read_keras_weights(source, input_px)
        from bloodcell.importing.keras_source import read_keras

        return read_keras(source, input_px)
    from bloodcell.importing.torch_source import read_torch

    return read_torch(source, stated.architecture, input_px)


def _scored_form(
    read: SourceNetwork, stated: Description, classes: Scheme
) -> tuple[bytes, Agreement]:
    """The ONNX file that is scored, and how well it agrees with its source."""
    model = onnx.ModelProto()
    model.CopyFrom(read.model)
    columns = _columns(model)
    check_columns(columns, stated)
    if stated.channel_order == "BGR":
        blue_first(model.graph, stated.preprocessing.input_px)
    with_outputs(model.graph, columns, stated.merge, stated.background)
    tidy(model)
    weights = checked_bytes(model, "brought to its scored form")
    return weights, compare(read, weights, stated, len(classes.classes))


def _columns(model: onnx.ModelProto) -> int:
    inferred = onnx.shape_inference.infer_shapes(model).graph.output[0]
    shape = [d.dim_value for d in inferred.type.tensor_type.shape.dim]
    if len(shape) != 2 or not shape[1]:
        raise ModelError(f"the network gives {shape[1:]} for an image: one row is expected")
    return int(shape[1])


def _card(
    source: Path, stated: Description, classes: Scheme, read: SourceNetwork, agreement: Agreement
) -> dict[str, Any]:
    differences = {
        "images": agreement.images,
        "probability": agreement.probability_difference,
        "logit": agreement.logit_difference,
    }
    made: dict[str, Any] = {
        **read.made_of,
        "file": source.name,
        "file_sha256": sha256_of(source),
        "source": stated.source,
        "licence": stated.licence,
        "channel_order": stated.channel_order,
        "merge": [asdict(one) for one in stated.merge],
        "background": list(stated.background),
        "unused_weights": read.unused,
        "largest_difference": {k: v for k, v in differences.items() if not np.isnan(v)},
    }
    if stated.architecture:
        made["architecture"] = stated.architecture
    weights = [numpy_helper.to_array(one) for one in read.model.graph.initializer]
    return {
        "scheme": classes.name,
        "classes": classes.codes,
        "label_map_sha256": classes.label_map_sha256,
        "parameters": int(sum(one.size for one in weights if one.dtype == np.float32)),
        "intended_use": "Research use only: not a medical device, never a diagnosis.",
        "preprocessing": asdict(stated.preprocessing),
        "calibration": {"temperature": 1.0, "rests_on": _UNCALIBRATED},
        "import": made,
    }
