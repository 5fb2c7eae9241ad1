"""ONNX files of others: checked, and brought to the one form that backends take."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx

from bloodcell.architectures.onnx_graph import tidy
from bloodcell.engine.backends.onnx.session import session_of
from bloodcell.errors import ModelError
from bloodcell.importing.graph import (
    channels_last_as_first,
    explicit_padding,
    named_input,
    norms_as_convolutions,
    without_softmax,
)
from bloodcell.importing.source import Array, SourceNetwork

_OPSETS = range(9, 24)


def read_onnx_file(path: Path, input_px: int) -> SourceNetwork:
    """The network in ``path``; weights beside it are taken in.

    Raises ModelError if it is none, of another opset, or not one image to one row of outputs.
    """
    model = _loaded(path)
    channels_last = _check_ends(model, path, input_px)
    original = model.SerializeToString()
    _free_batch(model.graph)
    named_input(model.graph)
    if channels_last:
        channels_last_as_first(model.graph, input_px)
    gives_probabilities = without_softmax(model.graph)
    tidy(model)
    explicit_padding(model)
    norms_as_convolutions(model)
    return SourceNetwork(
        model=model,
        outputs=_outputs(original, channels_last=channels_last),
        gives_probabilities=gives_probabilities,
        made_of={
            "format": "ONNX",
            "producer": f"{model.producer_name} {model.producer_version}".strip() or "not stated",
        },
    )


def _loaded(path: Path) -> onnx.ModelProto:
    try:
        model = onnx.load(path)
        _check_operators(model, path)
        onnx.checker.check_model(model)
    except ModelError:
        raise
    except Exception as error:  # protobuf's and onnx's exceptions share no public base
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise ModelError(f"{path} cannot be read as ONNX: {reason}") from error
    return model


def _check_operators(model: onnx.ModelProto, path: Path) -> None:
    opset = next((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), 0)
    if opset not in _OPSETS:
        raise ModelError(f"{path} is of ONNX opset {opset}: {_OPSETS[0]} to {_OPSETS[-1]} are read")
    if foreign := sorted({node.domain for node in model.graph.node} - {"", "ai.onnx"}):
        raise ModelError(f"{path} has operators of {foreign}: those of ONNX itself are expected")


def _check_ends(model: onnx.ModelProto, path: Path, input_px: int) -> bool:
    """Whether the channels come last; ModelError if one image does not give one row."""
    graph = model.graph
    weights = {one.name for one in graph.initializer}
    inputs = [one for one in graph.input if one.name not in weights]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise ModelError(
            f"{path} has {len(inputs)} inputs and {len(graph.output)} outputs: one of each is "
            "expected"
        )
    kept = [inputs[0]]
    del graph.input[:]
    graph.input.extend(kept)
    shape = [d.dim_value for d in inputs[0].type.tensor_type.shape.dim]
    for name, expected in (("first", [3, input_px, input_px]), ("last", [input_px, input_px, 3])):
        if len(shape) == 4 and all(a in (0, b) for a, b in zip(shape[1:], expected, strict=True)):
            return name == "last"
    raise ModelError(
        f"{path} takes images of shape {shape[1:]} (0: any): 3 channels and {input_px} x "
        f"{input_px} px are expected. Is input_px right?"
    )


def _free_batch(graph: onnx.GraphProto) -> None:
    for one in (*graph.input, *graph.output):
        one.type.tensor_type.shape.dim[0].ClearField("dim_value")
        one.type.tensor_type.shape.dim[0].dim_param = "batch"
    # What was noted of values in between may say another batch.
    del graph.value_info[:]


def _outputs(original: bytes, *, channels_last: bool) -> Callable[[Array], Array]:
    session = session_of(original)
    name, shape = session.get_inputs()[0].name, session.get_inputs()[0].shape
    # A free axis has a name or nothing in its place.
    batch = shape[0] if isinstance(shape[0], int) else 1

    def outputs(pixels: Array) -> Array:
        given = pixels.transpose(0, 2, 3, 1) if channels_last else pixels
        # One by one, a fixed batch filled with copies.
        filled = (np.repeat(one[None], batch, axis=0) for one in given)
        rows = [session.run(None, {name: images})[0][:1] for images in filled]
        together: Array = np.concatenate(rows).reshape(len(pixels), -1)
        return together

    return outputs
