"""A network of torch as an ONNX file, and what it costs. Needs torch alone to be imported."""

import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from bloodcell.engine.backends.onnx.session import session_of
from bloodcell.errors import ModelError

_OPSET = 17
_TOLERANCE = 1e-3


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
    write_onnx(network, example, path)
    halve_without_ceiling(path)
    _compare(network, example, path)


def write_onnx(network: nn.Module, example: torch.Tensor, path: Path) -> None:
    """Write ``network``, called with ``example``, with a free first axis; nothing is compared."""
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
    _tidy(path)


def _tidy(path: Path) -> None:
    import onnx

    from bloodcell.architectures.onnx_graph import tidy

    model = onnx.load(path)
    tidy(model)
    onnx.save(model, path)


def halve_without_ceiling(path: Path) -> None:
    """Take ``ceil_mode`` from the poolings in the ONNX file at ``path`` that leave no remainder.

    It says nothing there, and ONNX Runtime's fast layout knows no pooling that has it: the
    shipped network takes a tenth less time without, and gives the same bits.
    """
    import onnx

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
    logits = session_of(path.read_bytes()).run(None, {"pixels": example.numpy()})[0]
    with torch.no_grad():
        expected = network(example).numpy()
    difference = float(np.abs(logits - expected).max())
    # Of the largest logit where that is large: a network that learnt little may give thousands.
    allowed = _TOLERANCE * max(1.0, float(np.abs(expected).max()))
    if not difference <= allowed:
        raise ModelError(
            "ONNX Runtime's logits of the trained network differ from torch's by "
            f"{difference:.2g}, at most {allowed:.0e} is expected"
        )
