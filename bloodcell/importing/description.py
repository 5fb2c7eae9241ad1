"""What a network's file does not say: its scheme, its pixels, what its outputs mean."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.model import preprocessing_from_table
from bloodcell.shipped_toml import read_shipped, shipped_names

_FOLDER = Path(__file__).parent / "descriptions"
_STRICT = ConfigDict(extra="forbid")
_Column = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, config=_STRICT)
class Merge:
    """Two outputs, counted from 0 as the network has them, that are one class."""

    column: _Column
    """Its probability is added to that of ``into``, and it is no output any more."""
    into: _Column


@dataclass(frozen=True, config=_STRICT)
class Description:
    """See docs/importing.md and descriptions/*.toml."""

    preprocessing: Annotated[Preprocessing, BeforeValidator(preprocessing_from_table)]
    scheme: str | None = None
    architecture: str | None = None
    """What the weights of a state dict are of."""
    channel_order: Literal["RGB", "BGR"] = "RGB"
    """In which the network takes the channels; ``preprocessing`` states them as RGB."""
    merge: tuple[Merge, ...] = ()
    background: tuple[_Column, ...] = ()
    """Outputs that are no class of a cell: left out, the others share what they had."""
    label_map: dict[str, str] = Field(default_factory=dict)
    """Code and name of each output that is left, in order, as its authors have them; if it is
    empty they are the scheme's."""
    source: str = "not stated"
    """For the card: who made the network, of what."""
    licence: str = "not stated"


def description_names() -> list[str]:
    """Names of the descriptions that come with bloodcell, sorted."""
    return shipped_names(_FOLDER)


def read_description(name_or_file: str | Path) -> Description:
    """Read a description by name or file.

    Raises InputError naming the file and every entry that is missing, unknown or out of range.
    """
    return read_shipped("description", _FOLDER, name_or_file, Description)[1]
