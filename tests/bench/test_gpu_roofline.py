"""Operations and bytes of a network small enough to count by hand, and the table made of them."""

import onnx.parser
import pytest
from gpu import networks, roofline
from gpu.inputs import RESNEXT50, SHIPPED
from gpu.measurements import decoders_side_by_side, stage
from gpu.roofline import Work, work_of
from helpers.pages import page
from onnx import helper

SMALL = """<ir_version: 8, opset_import: ["": 17]>
small (float[batch, 3, 8, 8] pixels) => (float[batch, 5] logits) {
    filtered = Conv<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(pixels, filters)
    positive = Relu(filtered)
    both = Add(positive, filtered)
    mean = GlobalAveragePool(both)
    features = Flatten(mean)
    logits = Gemm(features, linear)
}"""


def small() -> onnx.ModelProto:
    model = onnx.parser.parse_model(SMALL)
    for name, shape in (("filters", [4, 3, 3, 3]), ("linear", [4, 5])):
        size = [0.0] * (108 if name == "filters" else 20)
        model.graph.initializer.append(helper.make_tensor(name, 1, shape, size))
    return model


def test_operations_and_bytes_are_counted_layer_by_layer() -> None:
    image, maps, mean, logits = 3 * 64, 4 * 64, 4, 5
    convolution, pool, gemm = image + maps, maps + mean, mean + logits
    assert work_of(small()) == Work(
        operations=2 * maps * 27 + 2 * 4 * 5,
        unfused_bytes=2 * (convolution + 2 * maps + 3 * maps + pool + 2 * mean + gemm),
        # Of the addition one more reading is left.
        fused_bytes=2 * (convolution + maps + pool + gemm),
    )


def test_the_table_has_predictions_beside_what_was_measured() -> None:
    lines = roofline.table({SHIPPED: small(), RESNEXT50: small()}).splitlines()
    assert lines[0] == f"| | {SHIPPED} | {RESNEXT50} |"
    assert "| **measured, torch FP16**, cells/s | 45,435 | 8,960 |" in lines
    assert all(line.count("|") == 4 for line in lines)


def test_the_page_has_what_the_table_says_of_the_network_that_it_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The larger one takes long to make.
    (shipped,) = (one for one in networks.shipped_networks() if one.name == SHIPPED)
    monkeypatch.setattr(networks, "random_resnext50", lambda _: shipped)
    lines = roofline.of_both_networks().splitlines()
    firsts = [line.rsplit("|", 2)[0] for line in lines if " MB " in line or "GFLOP" in line]
    assert len(firsts) == 3
    assert all(first in page("gpu.md") for first in firsts)


def test_figures_are_those_of_the_file() -> None:
    assert (stage(SHIPPED, "decode"), stage(RESNEXT50, "network")) == (16938.5, 8960.2)
    assert decoders_side_by_side(["h4", "h4", "h4"]) == 32252
