"""Model folders for measuring speed alone: random networks scored as the default model is."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from bloodcell.errors import PackageError
from bloodcell.model import load_model

STAND_IN_PX = 32
_CHANNELS = 4
_NETWORK = """<ir_version: 8, opset_import: ["": 17]>
stand_in (float[batch, 3, {px}, {px}] pixels) => (float[batch, {classes}] logits) {{
    filtered = Conv<kernel_shape = [3, 3]>(pixels, filters)
    positive = Relu(filtered)
    mean = GlobalAveragePool(positive)
    features = Flatten(mean)
    logits = Gemm(features, linear)
}}"""


def write_stand_in(folder: Path) -> Path:
    """Make a model folder with a network that costs next to nothing, for what is around it.

    One convolution of 32 x 32 pixels, a mean, one linear layer; what it calls a cell means
    nothing. Raises PackageError if onnx is not installed.
    """
    name = "stand-in (a random network that costs next to nothing)"
    weights = _network(len(load_model().card["classes"]))
    return write_random_model(folder, name, weights, STAND_IN_PX)


def write_random_model(
    folder: Path, name: str, weights: bytes, input_px: int, **about: Any
) -> Path:
    """Make a model folder: the default model's card with another network (ONNX), and ``about``."""
    card = load_model().card
    kept = ("scheme", "classes", "calibration", "error_model")
    changed = {entry: card[entry] for entry in kept} | {
        "name": name,
        "version": "0",
        "intended_use": "A random network, for measuring speed alone.",
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "preprocessing": card["preprocessing"] | {"input_px": input_px},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(weights)
    # Last: it says that the folder is whole.
    (folder / "card.toml").write_text(tomli_w.dumps(changed | about), encoding="utf-8")
    return folder


def _network(classes: int) -> bytes:
    try:
        from onnx import numpy_helper, parser
    except ModuleNotFoundError as missing:
        raise PackageError(
            "the stand-in network needs onnx, which is not installed: pip install onnx, or name "
            "a network with --model"
        ) from missing
    random = np.random.default_rng(3)
    weights = {
        "filters": random.standard_normal((_CHANNELS, 3, 3, 3)).astype(np.float32),
        "linear": random.standard_normal((_CHANNELS, classes)).astype(np.float32),
    }
    model = parser.parse_model(_NETWORK.format(px=STAND_IN_PX, classes=classes))
    model.graph.initializer.extend(numpy_helper.from_array(w, name) for name, w in weights.items())
    return bytes(model.SerializeToString())
