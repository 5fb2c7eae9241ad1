"""A network that gives what is stored of a cell, for servers that run ONNX and nothing else."""

from typing import TYPE_CHECKING, Any

import numpy as np

from bloodcell.engine.backends.onnx.file import checked_bytes, read_onnx
from bloodcell.engine.probabilities import PROBABILITY_STEP
from bloodcell.errors import ModelError

if TYPE_CHECKING:
    import onnx

OUTPUT = "probabilities"
_OLDEST_OPSET = 11
"""The first that has Round."""


def with_probabilities(onnx_bytes: bytes, temperature: float) -> bytes:
    """The network with ``calibrated_probabilities`` behind its logits, ``OUTPUT``.

    The arithmetic is that function's: in double precision, rounded half to even, NaN where a logit
    is not finite. Raises ModelError if the bytes are no ONNX network of one output, float32 (N, C),
    or of an opset before 11, PackageError if ``onnx`` is not installed.
    """
    model = read_onnx(onnx_bytes)
    opset = next(one.version for one in model.opset_import if one.domain in {"", "ai.onnx"})
    if len(model.graph.output) != 1 or opset < _OLDEST_OPSET:
        raise ModelError(
            f"the network has {len(model.graph.output)} outputs and opset {opset}: one output and "
            f"opset {_OLDEST_OPSET} or later are expected"
        )
    _append(model.graph, temperature)
    return checked_bytes(model, "given probabilities")


def _append(graph: "onnx.GraphProto", temperature: float) -> None:
    from onnx import TensorProto, numpy_helper
    from onnx.helper import make_node

    logits = graph.output[0].name
    constants = {
        "bloodcell/temperature": np.float64(temperature),
        "bloodcell/steps": np.float64(1 / PROBABILITY_STEP),
        "bloodcell/step": np.float32(PROBABILITY_STEP),
    }
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    )
    temperature_, steps, step = constants
    chain: list[tuple[str, list[str], dict[str, Any]]] = [
        # Nothing where a logit is finite, NaN elsewhere, also where softmax would not notice.
        ("Sub", [logits, logits], {}),
        ("Add", [logits], {}),
        ("Cast", [], {"to": TensorProto.DOUBLE}),
        ("Div", [temperature_], {}),
        ("Softmax", [], {"axis": 1}),
        ("Mul", [steps], {}),
        ("Round", [], {}),
        ("Cast", [], {"to": TensorProto.FLOAT}),
        ("Mul", [step], {}),
    ]
    before: list[str] = []
    for number, (kind, others, attributes) in enumerate(chain):
        output = OUTPUT if number == len(chain) - 1 else f"bloodcell/{number}"
        graph.node.append(make_node(kind, before + others, [output], **attributes))
        before = [output]
    graph.output[0].name = OUTPUT
