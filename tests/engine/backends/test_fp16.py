"""FP16: types and refusals; what it changes on real cells is in test_reduced_precision.py."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers.networks import logits_of, normal_pixels, shipped
from helpers.rounding import with_rounding
from onnx import TensorProto, helper, numpy_helper

from bloodcell.engine.backends.contract import Network
from bloodcell.engine.backends.onnx.fp16 import to_float16
from bloodcell.engine.backends.onnxruntime import OnnxRuntimeBackend
from bloodcell.engine.backends.self_test import prove
from bloodcell.errors import EngineError, ModelError

SIDE = 8


def chain(*factors: float) -> bytes:
    """1x1 convolutions by ``factors`` of the three channels, then their means as logits."""
    names = ["pixels", *[f"after_{number}" for number in range(len(factors))]]
    nodes, weights = [], []
    for number, factor in enumerate(factors):
        kernel = np.where(np.eye(3) == 1, factor, 0).astype(np.float32)[:, :, None, None]
        weights.append(numpy_helper.from_array(kernel, f"weights_{number}"))
        nodes.append(
            helper.make_node("Conv", [names[number], f"weights_{number}"], [names[number + 1]])
        )
    nodes.append(helper.make_node("GlobalAveragePool", [names[-1]], ["pooled"]))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["logits"]))
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])
    graph = helper.make_graph(nodes, "chain", [pixels], [logits], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    serialised: bytes = model.SerializeToString()
    return serialised


def test_everything_between_the_ends_is_float16() -> None:
    # With the float32 types noted between the layers, as some exporters do.
    noted = onnx.shape_inference.infer_shapes(onnx.load_model_from_string(shipped()))
    assert len(noted.graph.value_info) > 0
    halved = onnx.load_model_from_string(to_float16(noted.SerializeToString()))
    graph = onnx.shape_inference.infer_shapes(halved, strict_mode=True).graph
    assert {tensor.data_type for tensor in graph.initializer} == {TensorProto.FLOAT16}
    between = {value.type.tensor_type.elem_type for value in graph.value_info}
    assert between == {TensorProto.FLOAT16}
    for end in (graph.input[0], graph.output[0]):
        assert end.type.tensor_type.elem_type == TensorProto.FLOAT
        assert end.type.tensor_type.shape.dim[0].dim_param
    assert [node.op_type for node in graph.node].count("Cast") == 2


def test_the_shipped_network_has_its_batch_norms_folded() -> None:
    graph = onnx.load_model_from_string(shipped()).graph
    assert "BatchNormalization" not in {node.op_type for node in graph.node}


def test_nodes_that_would_hide_float32_are_refused() -> None:
    model = onnx.load_model_from_string(chain(1))
    model.graph.node[0].CopyFrom(
        helper.make_node("Constant", [], ["after_0"], value_floats=[1.0, 2.0])
    )
    with pytest.raises(ModelError, match="has Constant nodes, which FP16 does not take"):
        to_float16(model.SerializeToString())
    with pytest.raises(ModelError, match="cannot be read as ONNX"):
        to_float16(b"not a network")


@pytest.mark.parametrize("factor", [1e5, 1e-9, float("inf"), float("nan")])
def test_weights_that_float16_cannot_hold_are_refused_by_name(factor: float) -> None:
    with pytest.raises(ModelError, match="float16 cannot hold the tensor 'weights_1'"):
        to_float16(chain(1, factor))


def test_an_overflow_between_the_layers_is_seen_and_refused(tmp_path: Path) -> None:
    network, pixels = chain(3e4, 3e4, 1e-4, 1e-4), normal_pixels(2, SIDE)
    assert np.isfinite(logits_of(network, pixels)).all()
    rounded = with_rounding(to_float16(network))
    assert not np.isfinite(logits_of(rounded, pixels)).any()
    opened = []
    for name, content in {"fp32": network, "fp16": rounded}.items():
        (tmp_path / name).write_bytes(content)
        described = Network(tmp_path / name, SIDE, 3, temperature=1.0)
        opened.append(OnnxRuntimeBackend(described, threads=1))
    with pytest.raises(EngineError, match="its probabilities differ by nan from FP32"):
        prove(opened[1], opened[0], input_px=SIDE, largest_difference=0.02, rows=6)
