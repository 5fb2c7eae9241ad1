"""A network's ONNX file as a torch module: the operators of convolutional networks, no others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from bloodcell.engine.backends.contract import USE_REFERENCE
from bloodcell.engine.backends.onnx.file import read_onnx
from bloodcell.errors import ModelError

Attributes: TypeAlias = dict[str, Any]
Compute: TypeAlias = Callable[..., Tensor]


@dataclass
class _Step:
    compute: Compute
    inputs: list[str]
    output: str
    used_up: list[str]
    """Values that no later step reads; dropped, so that memory is a few layers' and not all."""


class OnnxModule(nn.Module):
    """Pixels (N, 3, H, W) to logits (N, C), in whatever type and memory format it is moved to.

    Raises ModelError if the bytes are no ONNX network or hold an operator or an attribute that
    is not known here, and PackageError if ``onnx`` is not installed.
    """

    def __init__(self, onnx_bytes: bytes) -> None:
        super().__init__()
        from onnx import helper, numpy_helper

        graph = read_onnx(onnx_bytes).graph
        self._input, self._output = graph.input[0].name, graph.output[0].name
        self._buffer_names = {}
        for number, tensor in enumerate(graph.initializer):
            weights = torch.from_numpy(numpy_helper.to_array(tensor).copy())
            self.register_buffer(f"weights_{number}", weights)
            self._buffer_names[tensor.name] = f"weights_{number}"
        self._steps = []
        for node in graph.node:
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            compute = _compute(node.op_type, attributes)
            self._steps.append(_Step(compute, list(node.input), node.output[0], []))
        self._mark_used_up()

    def _mark_used_up(self) -> None:
        seen = {self._output, *self._buffer_names}
        for step in reversed(self._steps):
            step.used_up = [name for name in dict.fromkeys(step.inputs) if name not in seen]
            seen.update(step.inputs)

    def forward(self, pixels: Tensor) -> Tensor:
        """See the class."""
        values = {name: self.get_buffer(buffer) for name, buffer in self._buffer_names.items()}
        values[self._input] = pixels
        for step in self._steps:
            values[step.output] = step.compute(*[values[name] for name in step.inputs])
            for name in step.used_up:
                del values[name]
        return values[self._output]


def _compute(operator: str, attributes: Attributes) -> Compute:
    if operator not in _OPERATORS:
        raise ModelError(
            f"the torch backend does not know the ONNX operator {operator}; it knows "
            f"{', '.join(sorted(_OPERATORS))}. {USE_REFERENCE}"
        )
    make, known = _OPERATORS[operator]
    unknown = {
        name for name in attributes if name not in known and not _is_default(name, attributes[name])
    }
    if unknown:
        raise ModelError(
            f"the torch backend does not know {', '.join(sorted(unknown))} of the ONNX operator "
            f"{operator}. {USE_REFERENCE}"
        )
    return make(attributes)


def _is_default(name: str, value: Any) -> bool:
    return bool(value == {"auto_pad": b"NOTSET", "storage_order": 0}.get(name))


def _even_padding(attributes: Attributes) -> tuple[list[int], list[int]]:
    """What a layer of torch pads on both sides alike, and what must be padded before it.

    The second as ``functional.pad`` takes it, empty if there is nothing.
    """
    top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
    if (top, left) == (bottom, right):
        return [top, left], []
    return [0, 0], [left, right, top, bottom]


def _convolution(attributes: Attributes) -> Compute:
    padding, before = _even_padding(attributes)
    options = {
        "stride": attributes.get("strides", [1, 1]),
        "padding": padding,
        "dilation": attributes.get("dilations", [1, 1]),
        "groups": attributes.get("group", 1),
    }
    if before:
        return lambda x, weight, bias=None: functional.conv2d(
            functional.pad(x, before), weight, bias, **options
        )
    return lambda x, weight, bias=None: functional.conv2d(x, weight, bias, **options)


def _maximum(attributes: Attributes) -> Compute:
    padding, before = _even_padding(attributes)
    options = {
        "kernel_size": attributes["kernel_shape"],
        "stride": attributes.get("strides", [1, 1]),
        "padding": padding,
        "dilation": attributes.get("dilations", [1, 1]),
        "ceil_mode": bool(attributes.get("ceil_mode", 0)),
    }
    if before:
        return lambda x: functional.max_pool2d(
            functional.pad(x, before, value=-torch.inf), **options
        )
    return lambda x: functional.max_pool2d(x, **options)


def _average(attributes: Attributes) -> Compute:
    padding, before = _even_padding(attributes)
    if before:
        raise ModelError(
            f"the torch backend averages with all sides padded alike, not {attributes['pads']}. "
            f"{USE_REFERENCE}"
        )
    options = {
        "kernel_size": attributes["kernel_shape"],
        "stride": attributes.get("strides", [1, 1]),
        "padding": padding,
        "ceil_mode": bool(attributes.get("ceil_mode", 0)),
        "count_include_pad": bool(attributes.get("count_include_pad", 0)),
    }
    return lambda x: functional.avg_pool2d(x, **options)


def _flatten(attributes: Attributes) -> Compute:
    if attributes.get("axis", 1) != 1:
        raise ModelError(f"the torch backend flattens from axis 1 on. {USE_REFERENCE}")
    return lambda x: x.flatten(1)


def _linear(attributes: Attributes) -> Compute:
    """Gemm as an exporter writes ``nn.Linear``: weights (C, features), no factors."""
    factors = attributes.get("alpha", 1.0), attributes.get("beta", 1.0)
    if factors != (1.0, 1.0) or attributes.get("transB", 0) != 1:
        raise ModelError(
            "the torch backend takes Gemm only with transB = 1 and alpha = beta = 1. "
            f"{USE_REFERENCE}"
        )
    return functional.linear


def _concatenation(attributes: Attributes) -> Compute:
    return lambda *parts: torch.cat(parts, attributes["axis"])


def _leaky(attributes: Attributes) -> Compute:
    slope = attributes.get("alpha", 0.01)
    return lambda x: functional.leaky_relu(x, slope)


def _transposition(attributes: Attributes) -> Compute:
    order = list(attributes["perm"])
    return lambda x: x.permute(order)


_POOL = {"kernel_shape", "strides", "pads", "ceil_mode"}
_OPERATORS: dict[str, tuple[Callable[[Attributes], Compute], set[str]]] = {
    "Add": (lambda _: torch.add, set()),
    "AveragePool": (_average, _POOL | {"count_include_pad"}),
    "Concat": (_concatenation, {"axis"}),
    "Conv": (_convolution, {"kernel_shape", "strides", "pads", "dilations", "group"}),
    "Flatten": (_flatten, {"axis"}),
    "Gemm": (_linear, {"alpha", "beta", "transB"}),
    "GlobalAveragePool": (lambda _: lambda x: x.mean((2, 3), keepdim=True), set()),
    "Identity": (lambda _: lambda x: x, set()),
    "LeakyRelu": (_leaky, {"alpha"}),
    "MaxPool": (_maximum, _POOL | {"dilations"}),
    "Relu": (lambda _: torch.relu, set()),
    "Softplus": (lambda _: functional.softplus, set()),
    "Sub": (lambda _: torch.sub, set()),
    "Transpose": (_transposition, {"perm"}),
}
"""How to make each operator of its attributes, and which attributes it knows."""
