"""A model folder of the tiny network, of any scheme."""

import hashlib
from pathlib import Path
from typing import Any

import tomli_w

from bloodcell.model import load_model
from bloodcell.scheme import load_scheme
from helpers.tiny_onnx import tiny_onnx

INPUT_PX = 8


def write_tiny_model(folder: Path, scheme: str, **preprocessing: Any) -> Path:
    """``preprocessing``: entries that are not as in the default model's card."""
    classes = load_scheme(scheme).codes
    own = load_model().card["preprocessing"] | {"input_px": INPUT_PX} | preprocessing
    weights = tiny_onnx(own["input_px"], len(classes))
    card = {
        "name": "tiny",
        "version": "0",
        "scheme": scheme,
        "classes": classes,
        "intended_use": "Tests.",
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "preprocessing": own,
        "calibration": {"temperature": 1.0},
    }
    folder.mkdir()
    (folder / "model.onnx").write_bytes(weights)
    (folder / "card.toml").write_text(tomli_w.dumps(card), encoding="utf-8")
    return folder
