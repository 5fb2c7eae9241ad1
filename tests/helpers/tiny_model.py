"""A model folder of the tiny network, of any scheme."""

import hashlib
from pathlib import Path

import tomli_w

from bloodcell.model import load_model
from bloodcell.scheme import load_scheme
from helpers.tiny_onnx import tiny_onnx

INPUT_PX = 8


def write_tiny_model(folder: Path, scheme: str) -> Path:
    classes = load_scheme(scheme).codes
    weights = tiny_onnx(INPUT_PX, len(classes))
    card = {
        "name": "tiny",
        "version": "0",
        "scheme": scheme,
        "classes": classes,
        "intended_use": "Tests.",
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "preprocessing": load_model().card["preprocessing"] | {"input_px": INPUT_PX},
        "calibration": {"temperature": 1.0},
    }
    folder.mkdir()
    (folder / "model.onnx").write_bytes(weights)
    (folder / "card.toml").write_text(tomli_w.dumps(card), encoding="utf-8")
    return folder
