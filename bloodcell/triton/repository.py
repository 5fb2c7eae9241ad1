"""The folders of a model repository, as Triton Inference Server loads them."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bloodcell.engine.backends.onnx.probabilities import with_probabilities
from bloodcell.errors import InputError
from bloodcell.files import path_beside, writing
from bloodcell.model import Model, load_model
from bloodcell.phantom import draw_cell, encode
from bloodcell.triton.config import Options, config_texts
from bloodcell.triton.pipeline import serialized_pipeline

_DRAWN_PX = (360, 363)
"""Width and height of the cell that a decoder is warmed up with: a usual size of such images."""


def export_triton(name_or_folder: str | Path, repository: Path, options: Options) -> list[Path]:
    """Add a model to ``repository``, which is made if there is none; returns its three folders.

    Raises ModelError for a model that may not be used, InputError if one of the folders exists or
    an option does not fit, EngineError and PackageError as what makes the pipeline and the network
    does, and DiskError. No folder is left half written.
    """
    model = load_model(name_or_folder)
    if options.tensorrt and options.device != "gpu":
        raise InputError("TensorRT computes on a GPU: --tensorrt goes with --device gpu")
    if not re.fullmatch(r"[\w.-]+", model.name, re.ASCII):
        raise InputError(
            f"model {model.name!r}: Triton takes the name for a folder's; letters, digits, '_', "
            "'.' and '-' are expected in it"
        )
    content = _content(model, options)
    targets = [repository / name for name in content]
    if there := [str(target) for target in targets if target.exists()]:
        raise InputError(f"{', '.join(there)} exist: remove them, or choose another --to")
    beside = path_beside(repository.resolve())
    try:
        with writing(repository):
            for name, files in content.items():
                _write(beside / name, files)
            repository.mkdir(parents=True, exist_ok=True)
            for target in targets:
                (beside / target.name).rename(target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return targets


def _content(model: Model, options: Options) -> dict[str, dict[str, bytes]]:
    """Of each model of the repository the files; the ensemble, which needs the others, last."""
    drawn = encode(draw_cell("monocyte", np.random.default_rng(1), _DRAWN_PX), "jpeg")
    pipeline = serialized_pipeline(
        model.preprocessing, options.batch_size, on_gpu=options.device == "gpu"
    )
    network = with_probabilities(
        model.network.weights.read_bytes(), model.temperature, model.prior_ratios
    )
    labels = "".join(f"{code}\n" for code in model.scheme.codes).encode()
    card = (model.folder / "card.toml").read_bytes()
    files = (
        {"1/model.dali": pipeline, "warmup/drawn_cell.jpg": drawn},
        {"1/model.onnx": network, "labels.txt": labels},
        # Of a version of an ensemble Triton wants the folder alone; the card keeps it from
        # being empty, which some storages drop.
        {"1/card.toml": card, "labels.txt": labels},
    )
    configs = config_texts(model, options, len(drawn))
    return {
        name: {"config.pbtxt": text.encode(), **own}
        for (name, text), own in zip(configs.items(), files, strict=True)
    }


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
