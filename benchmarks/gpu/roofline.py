"""What a GPU allows both networks: operations and bytes a cell, predictions beside results.

    python benchmarks/gpu --roofline         prints the table of docs/gpu.md

Limits and results are those of `measured/`; no GPU is needed.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from gpu import networks
from gpu.inputs import RESNEXT50, SHIPPED
from gpu.measurements import measured, stage

FP16_BYTES = 2
_INTO_THE_CONVOLUTION = ("Relu", "Add", "BatchNormalization", "Clip")
"""What a fused kernel does on the way out; of ``Add`` the shortcut still has to be read."""


@dataclass(frozen=True)
class Work:
    """Of one cell."""

    operations: float
    unfused_bytes: float
    """Each layer reads what it takes and writes what it gives, in FP16; weights are shared."""
    fused_bytes: float
    """The same where a convolution's own kernel does what follows it."""


def work_of(model: onnx.ModelProto) -> Work:
    """Of an ONNX network with one input (N, 3, side, side)."""
    sizes = _elements(model)
    weights = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    operations = unfused = fused = 0.0
    for node in model.graph.node:
        given = sum(sizes.get(name, 0) for name in node.output)
        taken = [sizes[name] for name in node.input if name in sizes and name not in weights]
        moved = FP16_BYTES * (given + sum(taken))
        unfused += moved
        if node.op_type in _INTO_THE_CONVOLUTION:
            fused += FP16_BYTES * sum(sorted(taken)[1:])
        elif node.op_type not in ("Flatten", "Reshape", "Identity"):
            fused += moved
        if node.op_type == "Conv":
            channels_height_width = weights[node.input[1]][1:]
            operations += 2 * given * _product(channels_height_width)
        elif node.op_type == "Gemm":
            operations += 2 * _product(weights[node.input[1]])
    return Work(operations, unfused, fused)


def _elements(model: onnx.ModelProto) -> dict[str, int]:
    """Of each tensor that is no weight, for one cell."""
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    graph = onnx.shape_inference.infer_shapes(model).graph
    return {
        value.name: _product(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in (*graph.input, *graph.value_info, *graph.output)
    }


def _product(numbers: Any) -> int:
    product = 1
    for number in numbers:
        product *= number
    return product


def table(models: dict[str, onnx.ModelProto]) -> str:
    """Markdown, a column a network of those that were measured."""
    ceilings = measured()["ceilings"]
    flop_per_s = ceilings["gemm_flop"]["per_s"]
    bytes_per_s = ceilings["copy_bytes"]["device_to_device_read_plus_written"]["per_s"]
    works = {name: work_of(model) for name, model in models.items()}
    result = {name: stage(name, "network") for name in works}
    rows = [
        ("GFLOP a cell", [f"{w.operations / 1e9:.2f}" for w in works.values()]),
        ("MB a cell, a kernel a layer", [f"{w.unfused_bytes / 1e6:.1f}" for w in works.values()]),
        ("MB a cell, fused", [f"{w.fused_bytes / 1e6:.1f}" for w in works.values()]),
    ]
    limits = {
        "arithmetic allows": [flop_per_s / w.operations for w in works.values()],
        "memory allows, a kernel a layer": [bytes_per_s / w.unfused_bytes for w in works.values()],
        "memory allows, fused": [bytes_per_s / w.fused_bytes for w in works.values()],
    }
    for name, values in limits.items():
        rows.append((f"{name}, cells/s", [f"{value:,.0f}" for value in values]))
    rows.append(("**measured, torch FP16**, cells/s", [f"{r:,.0f}" for r in result.values()]))
    for name, values in limits.items():
        shares = [100 * r / v for r, v in zip(result.values(), values, strict=True)]
        rows.append((f"of what {name}", [f"{share:.0f} %" for share in shares]))
    lines = [f"| | {' | '.join(works)} |", "|---" * (1 + len(works)) + "|"]
    return "\n".join(lines + [f"| {name} | {' | '.join(cells)} |" for name, cells in rows])


def of_both_networks() -> str:
    """The table for the shipped network and a ResNeXt-50 32x4d."""
    with tempfile.TemporaryDirectory() as folder:
        random = networks.random_resnext50(Path(folder))
        shipped = next(one for one in networks.shipped_networks() if one.name == SHIPPED)
        models = {SHIPPED: shipped, RESNEXT50: random}
        return table({name: onnx.load(one.network.weights) for name, one in models.items()})
