"""A network that costs next to nothing, for measuring what is around the network."""

import hashlib
from pathlib import Path

import numpy as np
import tomli_w

from bloodcell.errors import InputError
from bloodcell.model import load_model

STAND_IN_PX = 32
_CHANNELS = 4


def write_stand_in(folder: Path) -> Path:
    """Make a model folder: the default model's card, its network replaced by a random one.

    One convolution of 32 x 32 pixels, a mean, one linear layer; what it calls a cell means
    nothing. Raises InputError if onnx is not installed.
    """
    card = load_model().card
    weights = _network(len(card["classes"]))
    kept = ("scheme", "classes", "calibration", "error_model")
    stand_in = {name: card[name] for name in kept} | {
        "name": "stand-in (a random network that costs next to nothing)",
        "version": "0",
        "intended_use": "A random network, for measuring speed alone.",
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "preprocessing": card["preprocessing"] | {"input_px": STAND_IN_PX},
    }
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(weights)
    (folder / "card.toml").write_text(tomli_w.dumps(stand_in), encoding="utf-8")
    return folder


def _network(classes: int) -> bytes:
    try:
        from onnx import TensorProto, helper, numpy_helper
    except ModuleNotFoundError as missing:
        raise InputError(
            "the stand-in network needs onnx, which is not installed: pip install onnx, or name "
            "a network with --model"
        ) from missing
    random = np.random.default_rng(3)
    weights = {
        "filters": random.standard_normal((_CHANNELS, 3, 3, 3)).astype(np.float32),
        "linear": random.standard_normal((_CHANNELS, classes)).astype(np.float32),
    }
    shape: list[str | int | None] = ["batch", 3, STAND_IN_PX, STAND_IN_PX]
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["pixels", "filters"], ["found"], kernel_shape=[3, 3]),
            helper.make_node("Relu", ["found"], ["positive"]),
            helper.make_node("GlobalAveragePool", ["positive"], ["mean"]),
            helper.make_node("Flatten", ["mean"], ["features"]),
            helper.make_node("Gemm", ["features", "linear"], ["logits"]),
        ],
        "stand-in",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", classes])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())
