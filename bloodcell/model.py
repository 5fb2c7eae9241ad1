"""Model folders: a card that says everything about a network, and its weights."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args

from bloodcell.engine.backends.contract import Network
from bloodcell.engine.preprocessing import Interpolation, Preprocessing
from bloodcell.engine.staining import Smears
from bloodcell.error_model import ErrorModel
from bloodcell.errors import ModelError
from bloodcell.files import sha256_of
from bloodcell.paths import model_folder
from bloodcell.scheme import Equivalents, Scheme, Specimen, scheme_of_card
from bloodcell.smears import smears_from_card
from bloodcell.toml import is_number, read_toml


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
    prior_ratios: tuple[float, ...]
    """Of each class, or none; see ``calibrated_probabilities``."""
    smears: Smears | None
    """How the images look that it learnt from; None if the card does not say."""
    error_model: ErrorModel | None
    """What adjusted shares rest on; None if the card has none."""
    card: dict[str, Any]
    """The whole card, as read."""

    @property
    def network(self) -> Network:
        """What a backend needs to load it."""
        return Network(
            weights=self.folder / "model.onnx",
            input_px=self.preprocessing.input_px,
            class_count=len(self.scheme.classes),
            temperature=self.temperature,
            prior_ratios=self.prior_ratios,
        )

    def counted_as(self, specimen: Specimen, equivalents: Equivalents) -> "Model":
        """The model whose scheme counts so; see ``Scheme.counted_as``."""
        return replace(self, scheme=self.scheme.counted_as(specimen, equivalents))


def load_model(name_or_folder: str | Path | None = None) -> Model:
    """Load a model by name or folder; None is the default model.

    Raises ModelError if it is unknown, incomplete, or its weights' SHA-256 or classes differ
    from what the card states.
    """
    folder = model_folder(name_or_folder)
    card_path = folder / "card.toml"
    card = read_toml(card_path, ModelError)
    try:
        return _from_card(folder, card)
    except KeyError as missing:
        raise ModelError(f"{card_path} lacks the entry {missing}") from missing
    except (TypeError, ValueError) as wrong:
        raise ModelError(f"{card_path} has a wrong entry: {wrong}") from wrong


def _from_card(folder: Path, card: dict[str, Any]) -> Model:
    scheme = scheme_of_card(folder, card)
    if card["classes"] != scheme.codes:
        raise ModelError(
            f"{folder / 'card.toml'}: the classes are not those of scheme {scheme.name!r} in its "
            f"order: {card['classes']} against {scheme.codes}"
        )
    if card.get("label_map_sha256", scheme.label_map_sha256) != scheme.label_map_sha256:
        raise ModelError(
            f"{folder / 'card.toml'}: the network was made for another label map than that of "
            f"scheme {scheme.name!r}: a class had another name or role. Make it anew"
        )
    return Model(
        folder=folder,
        name=_text(card["name"], "name"),
        version=_text(card["version"], "version"),
        weights_sha256=_check_weights(folder / "model.onnx", card["weights_sha256"]),
        card_sha256=sha256_of(folder / "card.toml"),
        scheme=scheme,
        preprocessing=preprocessing_from_table(card["preprocessing"]),
        temperature=_positive(card["calibration"]["temperature"], "calibration.temperature"),
        prior_ratios=_prior_ratios(card["calibration"], len(scheme.codes)),
        smears=smears_from_card(card["smears"]) if "smears" in card else None,
        error_model=_error_model(folder, card),
        card=card,
    )


def _error_model(folder: Path, card: dict[str, Any]) -> ErrorModel | None:
    try:
        return ErrorModel.from_card(card["error_model"]) if "error_model" in card else None
    except ModelError as wrong:
        raise ModelError(f"{folder / 'card.toml'}: {wrong}") from wrong


def preprocessing_from_table(table: Any) -> Preprocessing:
    """Check the table ``[preprocessing]``; raises ValueError naming the entry at fault.

    What was read before is given back, as of a recipe that is made from another one.
    """
    if isinstance(table, Preprocessing):
        return table
    expected = [field.name for field in fields(Preprocessing)]
    if not isinstance(table, dict) or sorted(table) != sorted(expected):
        raise ValueError(f"preprocessing is {table!r}, a table of {expected} is expected")
    if table["interpolation"] not in get_args(Interpolation):
        raise ValueError(
            f"preprocessing.interpolation is {table['interpolation']!r}, one of "
            f"{get_args(Interpolation)} is expected"
        )
    if not isinstance(table["antialias"], bool):
        raise ValueError(f"preprocessing.antialias is {table['antialias']!r}, not true or false")
    region = _positive(table["region"], "preprocessing.region")
    if region > 1:
        raise ValueError(f"preprocessing.region is {region}, at most 1 is expected")
    return Preprocessing(
        input_px=_whole(table["input_px"], "preprocessing.input_px"),
        region=region,
        interpolation=table["interpolation"],
        antialias=table["antialias"],
        mean=_rgb(table["mean"], "preprocessing.mean", _not_negative),
        std=_rgb(table["std"], "preprocessing.std", _positive),
    )


def _rgb(
    values: Any, name: str, checked: Callable[[Any, str], float]
) -> tuple[float, float, float]:
    if not isinstance(values, list) or len(values) != 3:
        raise ValueError(f"{name} is {values!r}, three values for R, G, B are expected")
    red, green, blue = (checked(value, name) for value in values)
    return red, green, blue


def _prior_ratios(calibration: dict[str, Any], classes: int) -> tuple[float, ...]:
    ratios = calibration.get("prior_ratios", [])
    if not isinstance(ratios, list) or len(ratios) not in (0, classes):
        raise ValueError(f"calibration.prior_ratios: {classes} numbers, or none, are expected")
    return tuple(_not_negative(ratio, "calibration.prior_ratios") for ratio in ratios)


def _whole(value: Any, name: str) -> int:
    if _positive(value, name) % 1:
        raise ValueError(f"{name} is {value!r}, a whole number is expected")
    return int(value)


def _text(value: Any, name: str) -> str:
    # It stands in run.json, which could not be read again, in logs and in addresses.
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError(f"{name} is {value!r}, a text of printable signs is expected")
    return value


def _positive(value: Any, name: str) -> float:
    if not (is_number(value) and value > 0):
        raise ValueError(f"{name} is {value!r}, a number above 0 is expected")
    return float(value)


def _not_negative(value: Any, name: str) -> float:
    if not (is_number(value) and value >= 0):
        raise ValueError(f"{name} is {value!r}, a number of 0 or more is expected")
    return float(value)


def _check_weights(path: Path, expected: str) -> str:
    if not path.is_file():
        raise ModelError(f"{path} is missing: a model folder holds card.toml and model.onnx")
    try:
        actual = sha256_of(path)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    if actual != expected:
        raise ModelError(
            f"{path} is not the file its card describes: SHA-256 {actual}, the card says "
            f"{expected}. Restore the file or take the model folder anew."
        )
    return actual
