"""A network that gives what is stored of a cell, for servers that run ONNX and nothing else."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from bloodcell.engine.backends.onnx.file import checked_bytes, read_onnx
from bloodcell.engine.probabilities import LEAST_SHARED, PROBABILITY_STEP
from bloodcell.errors import ModelError

if TYPE_CHECKING:
    import onnx

OUTPUT = "probabilities"
_OLDEST_OPSET = 11
"""The first that has Round."""

_Step: TypeAlias = tuple[str, list[str], dict[str, Any]]
"""Kind of a node, its inputs besides what came before, its attributes."""


def with_probabilities(
    onnx_bytes: bytes, temperature: float, prior_ratios: Sequence[float] = ()
) -> bytes:
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
    _append(model.graph, temperature, np.asarray(prior_ratios, np.float64))
    return checked_bytes(model, "given probabilities")


def _append(
    graph: "onnx.GraphProto", temperature: float, prior_ratios: npt.NDArray[np.float64]
) -> None:
    from onnx import TensorProto

    logits = graph.output[0].name
    temperature_, steps, step = _constants(
        graph,
        temperature=np.float64(temperature),
        steps=np.float64(1 / PROBABILITY_STEP),
        step=np.float32(PROBABILITY_STEP),
    )
    softmax: list[_Step] = [
        # Nothing where a logit is finite, NaN elsewhere, also where softmax would not notice.
        ("Sub", [logits, logits], {}),
        ("Add", [logits], {}),
        ("Cast", [], {"to": TensorProto.DOUBLE}),
        ("Div", [temperature_], {}),
        ("Softmax", [], {"axis": 1}),
    ]
    told = _chain(graph, "softmax", softmax)
    if len(prior_ratios):
        told = _under_priors(graph, told, prior_ratios)
    quantised: list[_Step] = [
        ("Mul", [told, steps], {}),
        ("Round", [], {}),
        ("Cast", [], {"to": TensorProto.FLOAT}),
        ("Mul", [step], {}),
    ]
    _chain(graph, "quantised", quantised)
    graph.node[-1].output[0] = graph.output[0].name = OUTPUT


def _under_priors(
    graph: "onnx.GraphProto", told: str, prior_ratios: npt.NDArray[np.float64]
) -> str:
    """The probabilities ``told`` under other priors; a class's column is its part of a sum."""
    shares = (prior_ratios > 0).astype(np.float64)
    ratios, kept, least, column, ratio_column = _constants(
        graph,
        ratios=prior_ratios,
        kept=1 - shares,
        least=np.float64(LEAST_SHARED),
        shared_column=shares[:, None],
        ratio_column=prior_ratios[:, None],
    )
    left = _chain(graph, "left", [("MatMul", [told, column], {})])
    weighted = _chain(
        graph, "weighted", [("MatMul", [told, ratio_column], {}), ("Max", [least], {})]
    )
    steps: list[_Step] = [
        ("Div", [left, weighted], {}),
        ("Mul", [ratios], {}),
        ("Add", [kept], {}),
        ("Mul", [told], {}),
    ]
    return _chain(graph, "under_priors", steps)


def _constants(graph: "onnx.GraphProto", **values: Any) -> list[str]:
    """Add constants to the graph; their names there."""
    from onnx import numpy_helper

    named = {f"bloodcell/{name}": np.asarray(value) for name, value in values.items()}
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in named.items())
    return list(named)


def _chain(graph: "onnx.GraphProto", name: str, steps: list[_Step]) -> str:
    """Add nodes one after another, each taking what the one before gives; what the last gives."""
    from onnx.helper import make_node

    before: list[str] = []
    for number, (kind, others, attributes) in enumerate(steps):
        output = f"bloodcell/{name}/{number}"
        graph.node.append(make_node(kind, before + others, [output], **attributes))
        before = [output]
    return before[0]
