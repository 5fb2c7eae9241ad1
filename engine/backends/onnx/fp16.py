"""An FP32 network as a strongly typed FP16 one: what TensorRT 11, without an FP16 flag, wants.

Written here and not taken from ``onnxruntime.transformers.float16``: that clips weights too large
for float16 without a word, leaves the nodes in an order that ONNX does not allow, and adds its
folder to ``sys.path``.
"""

from typing import TYPE_CHECKING

import numpy as np

from bloodcell.engine.backends.onnx.file import checked_bytes, read_onnx
from bloodcell.errors import ModelError

if TYPE_CHECKING:
    import onnx

_LARGEST_LOSS = 0.01
"""Share of a tensor's norm that rounding may cost; float16 costs ordinary weights 0.0003."""


def to_float16(onnx_bytes: bytes) -> bytes:
    """Weights and arithmetic in float16; the input and the output stay float32, cast at the ends.

    The first axis stays free. Raises ModelError for a network that is not one float32 input to
    one float32 output, that still has batch norms, or has a tensor that float16 cannot hold, and
    PackageError if ``onnx`` is not installed.
    """
    model = read_onnx(onnx_bytes)
    _check_nodes(model.graph)
    _halve_weights(model.graph)
    _cast_ends(model.graph)
    return checked_bytes(model, "made FP16")


def _check_nodes(graph: "onnx.GraphProto") -> None:
    from onnx import TensorProto

    ends = [*graph.input, *graph.output]
    if len(ends) != 2 or {end.type.tensor_type.elem_type for end in ends} != {TensorProto.FLOAT}:
        raise ModelError(
            f"the network has {len(graph.input)} inputs and {len(graph.output)} outputs: one of "
            "each, both float32, is expected for FP16"
        )
    # Both would keep a hidden float32 beside the float16 that everything else becomes.
    refused = {node.op_type for node in graph.node} & {"BatchNormalization", "Cast", "Constant"}
    if refused:
        raise ModelError(
            f"the network has {', '.join(sorted(refused))} nodes, which FP16 does not take: "
            "export it for inference, with batch norms and constants folded"
        )


def _halve_weights(graph: "onnx.GraphProto") -> None:
    from onnx import TensorProto, numpy_helper

    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        weights = numpy_helper.to_array(tensor)
        with np.errstate(all="ignore"):
            halved = weights.astype(np.float16)
            exact = weights.astype(np.float64)
            loss = float(np.linalg.norm(exact - halved))
            allowed = _LARGEST_LOSS * float(np.linalg.norm(exact))
        # Written so that it refuses what is no number, before or after rounding, as well.
        if not loss <= allowed:
            raise ModelError(
                f"float16 cannot hold the tensor {tensor.name!r}: its largest value is "
                f"{np.abs(weights).max():.3g}, and values of 6e-8 to 65504 are expected. "
                "Use FP32 for this network"
            )
        tensor.CopyFrom(numpy_helper.from_array(halved, tensor.name))
    # What the exporter noted of tensors in between says float32, which they no longer are.
    del graph.value_info[:]


def _cast_ends(graph: "onnx.GraphProto") -> None:
    from onnx import TensorProto, helper

    taken, given = graph.input[0].name, graph.output[0].name
    inner = {taken: f"{taken}_float16", given: f"{given}_float16"}
    for node in graph.node:
        node.input[:] = [inner.get(name, name) for name in node.input]
        node.output[:] = [inner.get(name, name) for name in node.output]
    first = helper.make_node("Cast", [taken], [inner[taken]], to=TensorProto.FLOAT16)
    last = helper.make_node("Cast", [inner[given]], [given], to=TensorProto.FLOAT)
    nodes = [first, *graph.node, last]
    del graph.node[:]
    graph.node.extend(nodes)
