"""Small networks as ONNX bytes, made without an export."""

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

CLASSES = 5


def tiny_onnx(input_px: int = 8, classes: int = CLASSES) -> bytes:
    """Convolution, ReLU, mean, linear: pixels float32 (N, 3, side, side) to logits (N, C)."""
    random = np.random.default_rng(3)
    weights = {
        "w1": random.standard_normal((4, 3, 3, 3)).astype(np.float32),
        "w2": random.standard_normal((classes, 4)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["pixels", "w1"], ["c"], kernel_shape=[3, 3]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["m"]),
        helper.make_node("Flatten", ["m"], ["f"]),
        helper.make_node("Gemm", ["f", "w2"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3, input_px, input_px])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", classes])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return bytes(model.SerializeToString())
