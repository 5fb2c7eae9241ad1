"""ONNX files of others: brought to one form, or refused with what does not fit."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from helpers.foreign_networks import description
from helpers.networks import logits_of
from helpers.tiny_onnx import tiny_onnx
from onnx import TensorProto, helper, numpy_helper

from bloodcell.errors import ModelError
from bloodcell.importing import import_network
from bloodcell.importing.self_test import golden_images
from bloodcell.model import Model

SIDE = 9


def with_softmax(model: onnx.ModelProto) -> None:
    model.graph.node[-1].output[0] = "raw"
    model.graph.node.append(helper.make_node("Softmax", ["raw"], ["logits"], axis=1))


def channels_last(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = "first"
    node = helper.make_node("Transpose", ["pixels"], ["first"], perm=[0, 3, 1, 2])
    model.graph.node.insert(0, node)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    for dim, size in zip(dims[1:], (SIDE, SIDE, 3), strict=True):
        dim.dim_value = size


def named_otherwise(model: onnx.ModelProto) -> None:
    """As PyTorch's and Keras' examples name them; inner values have the names scored by."""
    model.graph.node[0].input[0] = model.graph.input[0].name = "input"
    model.graph.node[0].output[0] = model.graph.node[1].input[0] = "pixels"
    model.graph.node[3].output[0] = model.graph.node[4].input[0] = "logits"
    model.graph.node[4].output[0] = model.graph.output[0].name = "output"


def four_images(model: onnx.ModelProto) -> None:
    for end in (*model.graph.input, *model.graph.output):
        end.type.tensor_type.shape.dim[0].dim_value = 4


def one_image(model: onnx.ModelProto) -> None:
    for end in (*model.graph.input, *model.graph.output):
        end.type.tensor_type.shape.dim[0].dim_value = 1


def same_upper(model: onnx.ModelProto) -> None:
    conv = model.graph.node[0]
    conv.attribute.extend([helper.make_attribute("auto_pad", "SAME_UPPER"),
                           helper.make_attribute("strides", [2, 2])])  # fmt: skip
    weights = np.random.default_rng(0).standard_normal((4, 3, 4, 4)).astype(np.float32)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights, "w1"))
    conv.attribute[0].CopyFrom(helper.make_attribute("kernel_shape", [4, 4]))


def norm_first(model: onnx.ModelProto) -> None:
    values = np.array([[0.5, 1.5, 1.0], [0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [1.0, 2.0, 3.0]], "f4")
    names = ["scale", "shift", "mean", "variance"]
    model.graph.initializer.extend(
        numpy_helper.from_array(v, n) for v, n in zip(values, names, strict=True)
    )
    model.graph.node[0].input[0] = "normed"
    norm = helper.make_node("BatchNormalization", ["pixels", *names], ["normed"])
    model.graph.node.insert(0, norm)


def imported(folder: Path, model: onnx.ModelProto, *lines: str, scheme: str = "pbc8") -> Model:
    onnx.save(model, folder / "theirs.onnx")
    stated = description(folder, *lines, side=SIDE)
    return import_network(
        folder / "theirs.onnx", folder / "model", description=stated, scheme=scheme
    )


def tiny(classes: int = 8, *changes: Any) -> onnx.ModelProto:
    model = onnx.load_model_from_string(tiny_onnx(SIDE, classes))
    for change in changes:
        change(model)
    return model


@pytest.mark.parametrize("changes", [
    (), (with_softmax,), (channels_last,), (one_image,), (same_upper,),
    (named_otherwise,), (four_images,),
    (channels_last, with_softmax, one_image),
])  # fmt: skip
def test_brought_to_the_form_that_is_scored(tmp_path: Path, changes: tuple[Any, ...]) -> None:
    made = imported(tmp_path, tiny(8, *changes))
    pixels = golden_images(made.preprocessing)
    expected = logits_of(tiny(8, *(c for c in changes if c is same_upper)).SerializeToString(),
                         pixels)  # fmt: skip
    given = logits_of(made.network.weights.read_bytes(), pixels)
    assert np.abs(given - expected).max() < 1e-5


def test_a_batch_norm_of_its_own_becomes_a_convolution(tmp_path: Path) -> None:
    made = imported(tmp_path, tiny(8, norm_first))
    operators = [node.op_type for node in onnx.load(made.network.weights).graph.node]
    assert operators[:2] == ["Conv", "Conv"]


def test_weights_beside_the_file_are_taken_in(tmp_path: Path) -> None:
    onnx.save(tiny(), tmp_path / "theirs.onnx", save_as_external_data=True, size_threshold=0,
              location="weights.bin")  # fmt: skip
    assert (tmp_path / "weights.bin").stat().st_size > 0
    made = import_network(
        tmp_path / "theirs.onnx", tmp_path / "model", description=description(tmp_path, side=SIDE),
        scheme="pbc8",
    )  # fmt: skip
    (tmp_path / "weights.bin").unlink()
    assert logits_of(made.network.weights.read_bytes(), golden_images(made.preprocessing)).size
    onnx.save(tiny(), tmp_path / "again.onnx", save_as_external_data=True, size_threshold=0,
              location="weights.bin")  # fmt: skip
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(ModelError, match="cannot be read as ONNX"):
        import_network(
            tmp_path / "again.onnx", tmp_path / "other",
            description=description(tmp_path, side=SIDE), scheme="pbc8",
        )  # fmt: skip


def _opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 8


def _two_outputs(model: onnx.ModelProto) -> None:
    model.graph.output.append(helper.make_tensor_value_info("f", TensorProto.FLOAT, ["n", 4]))


def _sigmoid(model: onnx.ModelProto) -> None:
    with_softmax(model)
    model.graph.node[-1].output[0] = "p"
    model.graph.node.append(helper.make_node("Abs", ["p"], ["logits"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_opset, "is of ONNX opset 8: 9 to 23 are read"),
        (_two_outputs, "has 1 inputs and 2 outputs"),
        (_sigmoid, "gives probabilities by something other than a softmax"),
        (lambda m: m.graph.input[0].type.tensor_type.shape.dim.pop(), "takes images of shape"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, change: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        imported(tmp_path, tiny(8, change))


def test_no_onnx(tmp_path: Path) -> None:
    (tmp_path / "theirs.onnx").write_bytes(b"none")
    with pytest.raises(ModelError, match="cannot be read as ONNX"):
        import_network(
            tmp_path / "theirs.onnx", tmp_path / "model",
            description=description(tmp_path, side=SIDE), scheme="pbc8",
        )  # fmt: skip
