"""Changes to an ONNX network between what others export and what is scored here."""

import math
from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from bloodcell.architectures.onnx_graph import attributes_of, drop_unused
from bloodcell.errors import ModelError
from bloodcell.importing.description import Merge

PIXELS = "pixels"
"""What the input is called in a file that is scored."""
_FAR_BELOW = -3e4
"""What is added to a logit that nothing is merged into; float16 holds it."""


def without_softmax(graph: onnx.GraphProto) -> bool:
    """Take the softmax from the end of ``graph``; False if there is none."""
    makers = {name: node for node in graph.node for name in node.output}
    last = makers[graph.output[0].name]
    while last.op_type == "Identity":
        last = makers[last.input[0]]
    if last.op_type != "Softmax":
        return False
    # Under the output's own name, which the checked graph may not have twice.
    output = graph.output[0].name
    _rename(graph, output, f"{output}_probabilities")
    _rename(graph, last.input[0], output)
    drop_unused(graph)
    return True


def named_input(graph: onnx.GraphProto) -> None:
    """Call the input as it is called in what is scored."""
    given = graph.input[0].name
    if given == PIXELS:
        return
    # A value within may have that name already.
    _rename(graph, PIXELS, f"{PIXELS}_within")
    _rename(graph, given, PIXELS)
    graph.input[0].name = PIXELS


def channels_last_as_first(graph: onnx.GraphProto, input_px: int) -> None:
    """Let a network that takes (N, H, W, 3) take (N, 3, H, W)."""
    _feed(graph, input_px, helper.make_node("Transpose", [PIXELS], ["?"], perm=[0, 2, 3, 1]))


def blue_first(graph: onnx.GraphProto, input_px: int) -> None:
    """Let a network that takes blue, green, red take red, green, blue.

    By a convolution of one pixel, which every backend knows, and which is exact.
    """
    backwards = np.eye(3, dtype=np.float32)[::-1].reshape(3, 3, 1, 1)
    graph.initializer.append(numpy_helper.from_array(backwards.copy(), "channels_backwards"))
    node = helper.make_node("Conv", [PIXELS, "channels_backwards"], ["?"], kernel_shape=[1, 1])
    _feed(graph, input_px, node)


def _feed(graph: onnx.GraphProto, input_px: int, first: onnx.NodeProto) -> None:
    """Put ``first`` before all nodes: it takes ``pixels`` and gives what was the input."""
    old = f"{graph.input[0].name}_as_source"
    _rename(graph, graph.input[0].name, old)
    first.output[0] = old
    nodes = [first, *graph.node]
    del graph.node[:], graph.input[:]
    graph.node.extend(nodes)
    shape: list[str | int | None] = ["batch", 3, input_px, input_px]
    graph.input.append(helper.make_tensor_value_info(PIXELS, TensorProto.FLOAT, shape))


def explicit_padding(model: onnx.ModelProto) -> None:
    """State in pixels what ``auto_pad`` leaves to whoever runs the network."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    sides = {
        one.name: [d.dim_value for d in one.type.tensor_type.shape.dim[2:]]
        for one in (*inferred.value_info, *inferred.input)
    }
    shapes = {one.name: list(one.dims) for one in model.graph.initializer}
    for node in model.graph.node:
        given = attributes_of(node)
        how = given.get("auto_pad", b"NOTSET")
        if how == b"NOTSET":
            continue
        kernel = given.get("kernel_shape") or shapes[node.input[1]][2:]
        pads = [0, 0, 0, 0] if how == b"VALID" else _same(sides[node.input[0]], kernel, given)
        if how == b"SAME_LOWER":
            pads = pads[2:] + pads[:2]
        for one in [one for one in node.attribute if one.name in ("auto_pad", "pads")]:
            node.attribute.remove(one)
        node.attribute.append(helper.make_attribute("pads", pads))


def _same(sides: Sequence[int], kernel: object, given: dict[str, object]) -> list[int]:
    if not all(sides):
        raise ModelError('a layer pads "same" of a size that the network does not state')
    strides, dilations = given.get("strides", [1, 1]), given.get("dilations", [1, 1])
    totals = [
        max((math.ceil(side / stride) - 1) * stride + (size - 1) * dilation + 1 - side, 0)
        for side, size, stride, dilation in zip(sides, kernel, strides, dilations, strict=True)  # type: ignore[call-overload]
    ]
    before = [total // 2 for total in totals]
    return [*before, *(total - one for total, one in zip(totals, before, strict=True))]


def norms_as_convolutions(model: onnx.ModelProto) -> None:
    """Batch norms of images that follow no convolution, as convolutions of one pixel."""
    graph = model.graph
    inferred = onnx.shape_inference.infer_shapes(model).graph
    ranks = {
        one.name: len(one.type.tensor_type.shape.dim)
        for one in (*inferred.value_info, *inferred.input)
    }
    values = {one.name: one for one in graph.initializer}
    for node in graph.node:
        known = node.op_type == "BatchNormalization" and all(n in values for n in node.input[1:])
        if not known or ranks.get(node.input[0]) != 4:
            continue
        scale, shift, mean, variance = (numpy_helper.to_array(values[n]) for n in node.input[1:])
        epsilon = attributes_of(node).get("epsilon", 1e-5)
        factor = scale / np.sqrt(variance + epsilon)
        own = {
            f"{node.output[0]}_factor": factor.reshape(-1, 1, 1, 1),
            f"{node.output[0]}_shift": shift - mean * factor,
        }
        graph.initializer.extend(
            numpy_helper.from_array(value.astype(np.float32), name) for name, value in own.items()
        )
        node.CopyFrom(
            helper.make_node("Conv", [node.input[0], *own], [node.output[0]], kernel_shape=[1, 1],
                             group=len(factor))
        )  # fmt: skip
    drop_unused(graph)


def with_outputs(
    graph: onnx.GraphProto, columns: int, merges: Sequence[Merge], background: Sequence[int]
) -> None:
    """Add merged outputs to each other and leave out the background, in logits.

    The logit of two merged classes is the logarithm of the sum of both exponentials, which is
    ``a + softplus(b - a)``: no exponential overflows, and no probability is rounded to 0.
    """
    raw, gone = "raw_outputs", {*background, *(one.column for one in merges)}
    kept = [column for column in range(columns) if column not in gone]
    if graph.output[0].name != "logits":
        # A value within may have that name already.
        _rename(graph, "logits", "logits_within")
    _rename(graph, graph.output[0].name, raw if gone else "logits")
    graph.output[0].name = "logits"
    if gone:
        _select(graph, raw, "kept_0", {place: (c, 0.0) for place, c in enumerate(kept)}, columns)
        rounds = _rounds(merges)
        for number, added in enumerate(rounds):
            total = "logits" if number == len(rounds) - 1 else f"kept_{number + 1}"
            chosen = {p: (added.get(c), _FAR_BELOW) for p, c in enumerate(kept)}
            _select(graph, raw, f"added_{number}", chosen, columns)
            steps = (
                ("Sub", [f"added_{number}", f"kept_{number}"], f"above_{number}"),
                ("Softplus", [f"above_{number}"], f"more_{number}"),
                ("Add", [f"kept_{number}", f"more_{number}"], total),
            )
            graph.node.extend(helper.make_node(what, read, [made]) for what, read, made in steps)
        if not rounds:
            graph.node.append(helper.make_node("Identity", ["kept_0"], ["logits"]))
    shape = graph.output[0].type.tensor_type.shape
    del shape.dim[1:]
    shape.dim.add().dim_value = len(kept)


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]
    for one in graph.initializer:
        if one.name == old:
            one.name = new


def _rounds(merges: Sequence[Merge]) -> list[dict[int, int]]:
    """By column what is added to it, once a round."""
    rounds: list[dict[int, int]] = []
    for one in merges:
        free = next((r for r in rounds if one.into not in r), None)
        if free is None:
            rounds.append(free := {})
        free[one.into] = one.column
    return rounds


def _select(
    graph: onnx.GraphProto, raw: str, made: str, chosen: dict[int, tuple[int | None, float]],
    columns: int,
) -> None:  # fmt: skip
    """``made``: of each place the column of ``raw``, or that value where there is none."""
    weights = np.zeros((len(chosen), columns), np.float32)
    bias = np.zeros(len(chosen), np.float32)
    for place, (column, instead) in chosen.items():
        if column is None:
            bias[place] = instead
        else:
            weights[place, column] = 1.0
    names = [f"{made}_columns", f"{made}_bias"]
    graph.initializer.extend(
        numpy_helper.from_array(value, name)
        for name, value in zip(names, (weights, bias), strict=True)
    )
    graph.node.append(helper.make_node("Gemm", [raw, *names], [made], transB=1))
