"""Model folders: a card that says everything about a network, and its weights."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bloodcell.engine.backends import Network
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.errors import ModelError
from bloodcell.scheme import Scheme, load_scheme
from bloodcell.toml import read_toml

DEFAULT_MODEL = "jhu18-resnext26-112"

_FOLDER = Path(__file__).parent / "models"


@dataclass(frozen=True)
class Model:
    """A model whose card and weights agree."""

    folder: Path
    name: str
    version: str
    weights_sha256: str
    card_sha256: str
    scheme: Scheme
    preprocessing: Preprocessing
    temperature: float
    """Divides the logits before the softmax; from patients that were held out of training."""
    card: dict[str, Any]
    """The whole card, as read."""

    @property
    def network(self) -> Network:
        """What a backend needs to load it."""
        return Network(
            self.folder / "model.onnx", self.preprocessing.input_px, len(self.scheme.classes)
        )


def model_names() -> list[str]:
    """Names of the models that come with bloodcell, sorted."""
    return sorted(path.parent.name for path in _FOLDER.glob("*/card.toml"))


def load_model(name_or_folder: str | Path | None = None) -> Model:
    """Load a model by name or folder; None is the default model.

    Raises ModelError if it is unknown, incomplete, or its weights' SHA-256 or classes differ
    from what the card states.
    """
    folder = _find(name_or_folder)
    card_path = folder / "card.toml"
    card = read_toml(card_path, ModelError)
    try:
        return _from_card(folder, card)
    except KeyError as missing:
        raise ModelError(f"{card_path} lacks the entry {missing}") from missing
    except (TypeError, ValueError) as wrong:
        raise ModelError(f"{card_path} has an entry of the wrong kind: {wrong}") from wrong


def _from_card(folder: Path, card: dict[str, Any]) -> Model:
    scheme = load_scheme(card["scheme"])
    if card["classes"] != scheme.codes:
        raise ModelError(
            f"{folder / 'card.toml'}: the classes are not those of scheme {scheme.name!r} in its "
            f"order: {card['classes']} against {scheme.codes}"
        )
    return Model(
        folder=folder,
        name=card["name"],
        version=card["version"],
        weights_sha256=_check_weights(folder / "model.onnx", card["weights_sha256"]),
        card_sha256=sha256_of(folder / "card.toml"),
        scheme=scheme,
        preprocessing=_preprocessing(card["preprocessing"]),
        temperature=_positive(card["calibration"]["temperature"], "calibration.temperature"),
        card=card,
    )


def _preprocessing(table: dict[str, Any]) -> Preprocessing:
    mean, std = table["mean"], table["std"]
    if len(mean) != 3 or len(std) != 3:
        raise ValueError("preprocessing.mean and .std have three values, for R, G, B")
    return Preprocessing(
        input_px=int(table["input_px"]),
        region=_positive(table["region"], "preprocessing.region"),
        interpolation=table["interpolation"],
        antialias=bool(table["antialias"]),
        mean=(float(mean[0]), float(mean[1]), float(mean[2])),
        std=(float(std[0]), float(std[1]), float(std[2])),
    )


def _positive(value: Any, name: str) -> float:
    if not isinstance(value, int | float) or not value > 0:
        raise ValueError(f"{name} is {value!r}, a number above 0 is expected")
    return float(value)


def _check_weights(path: Path, expected: str) -> str:
    if not path.is_file():
        raise ModelError(f"{path} is missing: a model folder holds card.toml and model.onnx")
    found = sha256_of(path)
    if found != expected:
        raise ModelError(
            f"{path} is not the file its card describes: SHA-256 {found}, the card says "
            f"{expected}. Restore the file or take the model folder anew."
        )
    return found


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _find(name_or_folder: str | Path | None) -> Path:
    if name_or_folder is None:
        return _FOLDER / DEFAULT_MODEL
    if str(name_or_folder) in model_names():
        return _FOLDER / str(name_or_folder)
    folder = Path(name_or_folder)
    if not folder.is_dir():
        raise ModelError(
            f"unknown model {str(name_or_folder)!r}: neither a folder nor one of "
            f"{', '.join(model_names()) or 'no shipped models'}"
        )
    return folder
