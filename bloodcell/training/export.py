"""A trained network as a model folder: ``model.onnx``, ``card.toml``, ``training.csv``."""

import csv
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import tomli_w
import torch
from torch import nn

from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.errors import ModelError
from bloodcell.files import sha256_of
from bloodcell.scheme import Scheme
from bloodcell.training.fit import TrainingOptions
from bloodcell.training.validation import Validation

_OPSET = 17
_TOLERANCE = 1e-3


def write_model_folder(
    folder: Path,
    *,
    network: nn.Module,
    scheme: Scheme,
    preprocessing: Preprocessing,
    options: TrainingOptions,
    data: dict[str, Any],
    validation: Validation,
    history: list[dict[str, float]],
) -> None:
    """Write the folder; ModelError if ONNX Runtime's logits are not torch's."""
    weights = folder / "model.onnx"
    _export(network, preprocessing.input_px, weights)
    figures = asdict(validation)
    temperature = figures.pop("temperature")
    card: dict[str, Any] = {
        "name": folder.name,
        "version": "1",
        "scheme": scheme.name,
        "classes": scheme.codes,
        "weights_sha256": sha256_of(weights),
        "parameters": sum(p.numel() for p in network.parameters()),
        "intended_use": "Research use only: not a medical device, never a diagnosis.",
        "preprocessing": asdict(preprocessing),
        "calibration": {
            "temperature": temperature,
            "rests_on": "the held-out patients of [metrics.validation]",
        },
        "training": {**asdict(options), "torch": torch.__version__, "data": data},
        "metrics": {"validation": figures},
    }
    (folder / "card.toml").write_text(tomli_w.dumps(card), encoding="utf-8")
    with (folder / "training.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(history[0]))
        writer.writeheader()
        writer.writerows(history)


def _export(network: nn.Module, input_px: int, path: Path) -> None:
    example = torch.randn(2, 3, input_px, input_px, generator=torch.Generator().manual_seed(0))
    network = network.to(memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload]
    with warnings.catch_warnings():
        # torch would rather have its other exporter, which needs a further package.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (example,),
            str(path),
            dynamo=False,
            opset_version=_OPSET,
            input_names=["pixels"],
            output_names=["logits"],
            dynamic_axes={"pixels": {0: "batch"}, "logits": {0: "batch"}},
        )
    _compare(network, example, path)


def _compare(network: nn.Module, example: torch.Tensor, path: Path) -> None:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(None, {"pixels": example.numpy()})[0]
    with torch.no_grad():
        expected = network(example).numpy()
    difference = float(np.abs(found - expected).max())
    if not difference <= _TOLERANCE:
        raise ModelError(
            f"{path}: ONNX Runtime's logits differ from torch's by {difference:.2g}, "
            f"at most {_TOLERANCE:.0e} is expected"
        )
