"""What FP16 arithmetic does, on a CPU that has none."""

import onnx
from onnx import TensorProto, helper, numpy_helper


def with_rounding(float16_network: bytes) -> bytes:
    """The FP16 network for ONNX Runtime's CPU, which would compute it in FP32 throughout.

    ONNX Runtime has no float16 convolution there: it keeps the rounded weights, computes in FP32
    and drops the casts between the layers. Here each layer's output is rounded to float16 and
    back, as on a GPU that multiplies in float16 and adds up in FP32.
    """
    model = onnx.load_model_from_string(float16_network)
    for tensor in model.graph.initializer:
        weights = numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array(weights.astype("float32"), tensor.name))
    nodes = []
    for node in model.graph.node:
        name = node.output[0]
        if name != model.graph.output[0].name:
            node.output[0] = f"{name}_unrounded"
        if node.op_type == "Cast":
            node.attribute[0].i = TensorProto.FLOAT
        nodes.append(node)
        if name != model.graph.output[0].name:
            half = helper.make_node("Cast", [node.output[0]], [f"{name}_half"], to=10)
            whole = helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT)
            nodes += [half, whole]
    rewritten = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(rewritten)
    onnx.checker.check_model(model)
    serialised: bytes = model.SerializeToString()
    return serialised
