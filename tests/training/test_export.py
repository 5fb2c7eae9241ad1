"""Exported networks: poolings are rounded up only where something would be left over."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from helpers.tiny_recipe import TINY

from bloodcell.architectures.resnext import ResNeXt
from bloodcell.training.onnx_export import export_onnx


@pytest.mark.parametrize(("input_px", "rounded_up"), [(64, [0, 0, 0]), (56, [0, 1, 0])])
def test_halving_is_rounded_up_only_where_a_side_is_odd(
    tmp_path: Path, input_px: int, rounded_up: list[int]
) -> None:
    torch.manual_seed(1)
    network = ResNeXt(TINY, classes=3)
    export_onnx(network, input_px, tmp_path / "n.onnx")
    nodes = onnx.load(tmp_path / "n.onnx").graph.node
    pools = [node for node in nodes if node.op_type == "AveragePool"]
    assert [sum(a.i for a in node.attribute if a.name == "ceil_mode") for node in pools] == (
        rounded_up
    )
    pixels = torch.randn(5, 3, input_px, input_px)
    session = onnxruntime.InferenceSession(tmp_path / "n.onnx")
    logits = session.run(None, {"pixels": pixels.numpy()})[0]
    with torch.no_grad():
        assert np.allclose(logits, network.eval()(pixels).numpy(), atol=1e-5)
