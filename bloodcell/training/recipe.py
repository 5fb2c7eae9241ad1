"""The recipe: all that a training depends on besides the images, in one TOML file."""

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.errors import InputError
from bloodcell.model import preprocessing_from_table
from bloodcell.toml import read_toml
from bloodcell.training.resnext import ARCHITECTURES, last_features_side

RECIPES = Path(__file__).parent / "recipes"

_STRICT = ConfigDict(extra="forbid")
_Count = Annotated[int, Field(ge=1)]
_Positive = Annotated[float, Field(gt=0)]
_Share = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True, config=_STRICT)
class Course:
    """How long and how fast one network is trained."""

    epochs: _Count
    patience_epochs: _Count
    """Training ends early when the validation loss has not fallen for that many epochs."""
    batch_size: Annotated[int, Field(ge=2)]
    peak_learning_rate: _Positive
    weight_decay: Annotated[float, Field(ge=0)]
    label_smoothing: _Share
    average_decay: _Share
    """Of the exponential average of the weights, a step; the average is what is kept."""
    first_side_px: _Count
    last_side_px: _Count
    """Views grow from the first side to the last over three thirds of the epochs."""


@dataclass(frozen=True, config=_STRICT)
class Teacher:
    """An EfficientNet-Lite0 that knows ImageNet, fine-tuned first; the network learns from it."""

    course: Course
    share: _Share
    """Of the loss: divergence from the teacher's probabilities on the same view."""


@dataclass(frozen=True, config=_STRICT)
class Validation:
    """Patients are dealt to ``folds`` folds, each of which is held out once."""

    folds: Annotated[int, Field(ge=2)]


@dataclass(frozen=True, config=_STRICT)
class Recipe:
    """What a training depends on; see recipes/*.toml, where each entry is explained."""

    scheme: str
    architecture: str
    seed: int
    preprocessing: Annotated[Preprocessing, BeforeValidator(preprocessing_from_table)]
    validation: Validation
    course: Course
    teacher: Teacher | None = None


def recipe_names() -> list[str]:
    """Names of the recipes that come with bloodcell, sorted."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def read_recipe(name_or_file: str | Path) -> Recipe:
    """Read a recipe by name or file.

    Raises InputError naming the file and every entry that is missing, unknown or out of range.
    """
    path = Path(name_or_file)
    if str(name_or_file) in recipe_names():
        path = RECIPES / f"{name_or_file}.toml"
    elif not path.is_file():
        raise InputError(
            f"unknown recipe {str(name_or_file)!r}: neither a file nor one of "
            f"{', '.join(recipe_names())}"
        )
    table = read_toml(path, InputError)
    try:
        recipe = TypeAdapter(Recipe).validate_python(table)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise InputError(f"{path}: {'; '.join(faults)}") from None
    if recipe.architecture not in ARCHITECTURES:
        raise InputError(
            f"{path}: unknown architecture {recipe.architecture!r}: known are "
            f"{', '.join(ARCHITECTURES)}"
        )
    _check_last_views(recipe, path)
    return recipe


def _check_last_views(recipe: Recipe, path: Path) -> None:
    """A network must score with a last feature map as large as the one its training ended with.

    Padding is a large part of so small a map, and the network has learnt it at one size.
    """
    input_px, views_px = recipe.preprocessing.input_px, recipe.course.last_side_px
    rows = last_features_side(input_px)
    if last_features_side(views_px) != rows:
        raise InputError(
            f"{path}: course.last_side_px: views of {views_px} px end in a feature map of "
            f"{last_features_side(views_px)} rows, input_px = {input_px} in one of {rows}, which "
            f"the network would not have learnt: choose {32 * rows - 31} to {32 * rows} px"
        )
