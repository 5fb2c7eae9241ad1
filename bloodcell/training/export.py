"""A trained network as a model folder: weights, card, and what the training went through."""

import csv
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import tomli_w
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from bloodcell.errors import ModelError
from bloodcell.evaluation.join import Joined
from bloodcell.files import sha256_of
from bloodcell.plots import save_svg
from bloodcell.scheme import Scheme
from bloodcell.training.curves import draw_curves
from bloodcell.training.held_out import card_tables, write_held_out
from bloodcell.training.recipe import Recipe
from bloodcell.training.validation import Calibration

_OPSET = 17
_TOLERANCE = 1e-3


def write_model_folder(
    folder: Path,
    *,
    network: nn.Module,
    scheme: Scheme,
    recipe: Recipe,
    data: dict[str, Any],
    calibration: Calibration,
    held_out: Joined,
    history: list[dict[str, Any]],
) -> None:
    """Write the folder; ModelError if ONNX Runtime's logits are not torch's."""
    weights = folder / "model.onnx"
    export_onnx(network, recipe.preprocessing.input_px, weights)
    table = asdict(recipe, dict_factory=_without_none)
    card: dict[str, Any] = {
        "name": folder.name,
        "version": "1",
        "scheme": table.pop("scheme"),
        "classes": scheme.codes,
        "weights_sha256": sha256_of(weights),
        "parameters": parameters_of(network),
        "gmacs": gmacs_of(network, recipe.preprocessing.input_px),
        "intended_use": "Research use only: not a medical device, never a diagnosis.",
        "preprocessing": table.pop("preprocessing"),
        "calibration": {
            "temperature": calibration.temperature,
            "offsets_in_weights": [round(float(o), 4) for o in calibration.offsets],
            "rests_on": "the cells of [metrics.validation], each by the network that never saw its "
            "patient; the figures there are by the calibration of the other patients",
        },
        "training": {**table, "torch": torch.__version__, "data": data},
        **card_tables(held_out, recipe.validation.folds),
    }
    (folder / "card.toml").write_text(tomli_w.dumps(card), encoding="utf-8")
    _write_history(folder / "training.csv", history)
    write_held_out(folder, held_out)
    save_svg(draw_curves(history, folder.name), folder / "training.svg")


def _write_history(path: Path, history: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        # The network of all patients has nobody left to be judged by: those columns stay empty.
        writer = csv.DictWriter(file, list(history[0]), restval="")
        writer.writeheader()
        writer.writerows(history)


def _without_none(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in pairs if value is not None}


def parameters_of(network: nn.Module) -> int:
    """Number of trained weights."""
    return sum(parameter.numel() for parameter in network.parameters())


def gmacs_of(network: nn.Module, input_px: int) -> float:
    """Thousand millions of multiply-adds for one cell, convolutions and head."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.eval()(torch.zeros(1, 3, input_px, input_px))
    return float(counter.get_total_flops()) / 2e9


def export_onnx(network: nn.Module, input_px: int, path: Path) -> None:
    """Write ``network`` with a free first axis; ModelError if ONNX Runtime computes otherwise."""
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
    halve_without_ceiling(path)
    _compare(network, example, path)


def halve_without_ceiling(path: Path) -> None:
    """Take ``ceil_mode`` from the poolings in the ONNX file at ``path`` that leave no remainder.

    It says nothing there, and ONNX Runtime's fast layout knows no pooling that has it: the
    shipped network takes a tenth less time without, and gives the same bits.
    """
    model = onnx.load(path)
    inferred = onnx.shape_inference.infer_shapes(model).graph.value_info
    sides = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim[2:]] for v in inferred}
    for node in model.graph.node:
        given = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type != "AveragePool" or not given.get("ceil_mode") or any(given["pads"]):
            continue
        steps = zip(sides[node.input[0]], given["kernel_shape"], given["strides"], strict=True)
        if all((side - kernel) % stride == 0 for side, kernel, stride in steps):
            (rounding,) = (a for a in node.attribute if a.name == "ceil_mode")
            node.attribute.remove(rounding)
    onnx.save(model, path)


def _compare(network: nn.Module, example: torch.Tensor, path: Path) -> None:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(None, {"pixels": example.numpy()})[0]
    with torch.no_grad():
        expected = network(example).numpy()
    difference = float(np.abs(found - expected).max())
    # Of the largest logit where that is large: a network that learnt little may give thousands.
    allowed = _TOLERANCE * max(1.0, float(np.abs(expected).max()))
    if not difference <= allowed:
        raise ModelError(
            f"{path}: ONNX Runtime's logits differ from torch's by {difference:.2g}, "
            f"at most {allowed:.0e} is expected"
        )
