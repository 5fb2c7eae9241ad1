"""ONNX networks as all backends take them: no constants and no padding as nodes of their own."""

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

_PADS_ITSELF = {"Conv": 0.0, "MaxPool": -np.inf}
"""Operators that pad by themselves, and what with."""
_OF_SHAPES = {"Cast", "Concat", "ConstantOfShape", "Reshape", "Slice", "Transpose", "Unsqueeze"}
_SMALL = 64
"""Values in a constant that says something of shapes."""


def tidy(model: onnx.ModelProto) -> None:
    """Make constants initializers, and padding an attribute of the layer that it is for."""
    _constants_as_initializers(model.graph)
    _fold_shapes(model)
    _fold_padding(model.graph)
    drop_unused(model.graph)


def attributes_of(node: onnx.NodeProto) -> dict[str, object]:
    """The attributes of ``node`` by name."""
    return {one.name: helper.get_attribute_value(one) for one in node.attribute}


def drop_unused(graph: onnx.GraphProto) -> None:
    """Take out nodes and initializers that nothing reads."""
    used = {one.name for one in graph.output}
    kept = []
    for node in reversed(graph.node):
        if used.intersection(node.output):
            kept.append(node)
            used.update(node.input)
    _replace(graph.node, kept[::-1])
    _replace(graph.initializer, [one for one in graph.initializer if one.name in used])


def _replace(field: object, content: list[object]) -> None:
    kept = list(content)
    del field[:]  # type: ignore[attr-defined]
    field.extend(kept)  # type: ignore[attr-defined]


def _constants_as_initializers(graph: onnx.GraphProto) -> None:
    rest = []
    for node in graph.node:
        value = attributes_of(node).get("value") if node.op_type == "Constant" else None
        if isinstance(value, onnx.TensorProto):
            array = numpy_helper.to_array(value)
            graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
        else:
            rest.append(node)
    _replace(graph.node, rest)


def _fold_shapes(model: onnx.ModelProto) -> None:
    """Compute what rests on small constants alone: torch writes what it pads as ten nodes."""
    graph = model.graph
    values = {
        one.name: numpy_helper.to_array(one)
        for one in graph.initializer
        if np.prod(one.dims) <= _SMALL
    }
    rest = []
    for node in graph.node:
        is_small = node.op_type in _OF_SHAPES and all(name in values for name in node.input if name)
        if not is_small:
            rest.append(node)
            continue
        read = [name for name in node.input if name]
        given = [helper.make_tensor_value_info(n, _type_of(values[n]), None) for n in read]
        made = [helper.make_empty_tensor_value_info(name) for name in node.output]
        alone = helper.make_graph([node], "alone", given, made)
        own = helper.make_model(alone, opset_imports=model.opset_import)
        inputs = {name: values[name] for name in read}
        for name, value in zip(node.output, ReferenceEvaluator(own).run(None, inputs), strict=True):
            values[name] = np.asarray(value)
            graph.initializer.append(numpy_helper.from_array(values[name], name))
    _replace(graph.node, rest)


def _type_of(value: npt.NDArray[np.generic]) -> int:
    return int(helper.np_dtype_to_tensor_dtype(value.dtype))


def _fold_padding(graph: onnx.GraphProto) -> None:
    values = {one.name: one for one in graph.initializer}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for node in graph.node:
        if node.op_type != "Pad" or attributes_of(node).get("mode", b"constant") != b"constant":
            continue
        given = [numpy_helper.to_array(values[n]) for n in node.input[1:3] if n in values]
        after = readers.get(node.output[0], [])
        if given and all(_takes(reader, node.output[0], given) for reader in after):
            for reader in after:
                _pad_more(reader, given[0])
                reader.input[0] = node.input[0]


def _takes(reader: onnx.NodeProto, name: str, given: list[npt.NDArray[np.generic]]) -> bool:
    """Whether ``reader`` can pad rows and columns itself as the padding ``name`` does."""
    value = float(given[1].reshape(-1)[0]) if len(given) > 1 and given[1].size else 0.0
    is_rows_and_columns = given[0].shape == (8,) and not given[0][[0, 1, 4, 5]].any()
    pads_so = _PADS_ITSELF.get(reader.op_type) == value and reader.input[0] == name
    return pads_so and is_rows_and_columns and not attributes_of(reader).get("ceil_mode")


def _pad_more(reader: onnx.NodeProto, pads: npt.NDArray[np.generic]) -> None:
    own = attributes_of(reader).get("pads", [0, 0, 0, 0])
    total = [int(a) + int(b) for a, b in zip(own, pads[[2, 3, 6, 7]], strict=True)]  # type: ignore[call-overload]
    for one in [one for one in reader.attribute if one.name == "pads"]:
        reader.attribute.remove(one)
    reader.attribute.append(helper.make_attribute("pads", total))
