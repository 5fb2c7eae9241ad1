"""Classification schemes: which classes there are and what each counts as."""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from string import ascii_uppercase
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from bloodcell.errors import InputError, ModelError
from bloodcell.files import sha256_of, write_whole
from bloodcell.toml import read_toml

Role: TypeAlias = Literal["blast", "leukocyte", "erythroid", "excluded", "unidentified"]
Profile: TypeAlias = Literal["aml", "apl"]
Specimen: TypeAlias = Literal["blood", "marrow"]
Equivalents: TypeAlias = Literal["none", "aml", "apl"]

OWN_SCHEME = "scheme.toml"
"""In a model folder: the scheme of a network whose classes are the user's own."""
CANNOT_TELL = "cannot_tell"
"""What a reader says of a cell whose image does not show its class; no class is called so."""
_FOLDER = Path(__file__).parent / "schemes"


@dataclass(frozen=True)
class CellClass:
    """One class of a scheme."""

    code: str
    """What labels and tables call it."""
    name: str
    role: Role
    """A blast is a leukocyte too; only these two are in the denominator."""
    blast_equivalent: tuple[Profile, ...] = ()
    """Profiles in which the class counts as a blast although its role is leukocyte."""


@dataclass(frozen=True)
class Scheme:
    """Classes in the order in which a network of this scheme gives them."""

    name: str
    title: str
    source: str
    classes: tuple[CellClass, ...]
    letters: tuple[tuple[str, str], ...] = ()
    """Of each class the letter that stands for it in a review, and its code, in the order of a
    differential: blasts, granulocytes by maturity, monocytes, lymphocytes, the rest."""
    specimen: Specimen = "blood"
    """What the smears are of for which the scheme was made."""
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Codes that its source tells from all others as one, by the group's name: ``atypical``."""
    tolerated: tuple[tuple[str, str], ...] = ()
    """Pairs of codes of which its source lets either pass for the other, both ways."""
    erythroid_counted: bool = False
    """Whether the denominator takes in erythroid cells, as in bone marrow."""

    def counted_as(self, specimen: Specimen, equivalents: Equivalents) -> "Scheme":
        """The scheme as a specimen counts it, with blast equivalents in the role of blasts.

        Marrow: blasts are a share of all nucleated cells, erythroid ones included (WHO 2016).
        Raises InputError if the scheme marks no equivalent of the kind asked for.
        """
        chosen = [c.code for c in self.classes if equivalents in c.blast_equivalent]
        if equivalents != "none" and not chosen:
            raise InputError(
                f"scheme {self.name!r} has no class that is a blast equivalent in "
                f"{equivalents.upper()}: use --blast-equivalents none"
            )
        classes = tuple(replace(c, role="blast") if c.code in chosen else c for c in self.classes)
        return replace(self, classes=classes, erythroid_counted=specimen == "marrow")

    @property
    def codes(self) -> list[str]:
        """The classes' codes, in order."""
        return [cell_class.code for cell_class in self.classes]

    @property
    def label_map_sha256(self) -> str:
        """Digest of what each output means: code, name and role of all classes, in order."""
        lines = "".join(f"{c.code}\t{c.name}\t{c.role}\n" for c in self.classes)
        return hashlib.sha256(lines.encode()).hexdigest()

    @property
    def differential_order(self) -> list[int]:
        """Places of the classes in the order in which a differential lists them."""
        return [self.codes.index(code) for _, code in self.letters]

    @property
    def is_blast(self) -> npt.NDArray[np.bool_]:
        """Bool (C,): true for the role blast."""
        return np.array([c.role == "blast" for c in self.classes])

    @property
    def is_leukocyte(self) -> npt.NDArray[np.bool_]:
        """Bool (C,): true for what the denominator counts, blasts included."""
        counted = {"blast", "leukocyte"} | ({"erythroid"} if self.erythroid_counted else set())
        return np.array([c.role in counted for c in self.classes])

    def in_denominator(self, row: Mapping[str, Any]) -> int:
        """Cells that the denominator counts, by the columns ``n_<class>`` of a patient's row."""
        codes = (code for code, counts in zip(self.codes, self.is_leukocyte, strict=True) if counts)
        return sum(row[f"n_{code}"] for code in codes)


def scheme_names() -> list[str]:
    """Names of the schemes that come with bloodcell, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_scheme(name_or_file: str) -> Scheme:
    """Load a scheme by name, or from a ``.toml`` file of one's own.

    Raises ModelError naming the known ones if there is none, and if the file is at fault or
    called as one that comes with bloodcell.
    """
    path = Path(name_or_file)
    if name_or_file in scheme_names():
        path = _FOLDER / f"{name_or_file}.toml"
    elif path.suffix != ".toml" or not path.is_file():
        raise ModelError(
            f"unknown scheme {name_or_file!r}: neither a .toml file nor one of "
            f"{', '.join(scheme_names())}"
        )
    elif path.stem in scheme_names():
        raise ModelError(f"{path} has the name of a scheme that comes with bloodcell: rename it")
    return read_scheme(path, path.stem)


def scheme_of_card(folder: Path, card: dict[str, Any]) -> Scheme:
    """Of a model folder: a shipped scheme by its name, or the user's own, which lies there.

    Raises ModelError if that is not what the card states, KeyError if the card names none.
    """
    if "scheme_sha256" not in card:
        return load_scheme(card["scheme"])
    path = folder / OWN_SCHEME
    if not path.is_file() or sha256_of(path) != card["scheme_sha256"]:
        raise ModelError(f"{path} is missing or not the scheme that the card states")
    return read_scheme(path, card["scheme"])


def copied_scheme(name_or_file: str, folder: Path) -> dict[str, str]:
    """Copy a scheme of the user's own into a model folder; what the card states of it besides.

    Nothing of one that comes with bloodcell. Raises DiskError.
    """
    if name_or_file in scheme_names():
        return {}
    copy = folder / OWN_SCHEME
    write_whole(copy, partial(shutil.copyfile, name_or_file))
    return {"scheme_sha256": sha256_of(copy)}


def read_scheme(path: Path, name: str) -> Scheme:
    """The scheme of the file ``path``; ModelError naming the file and its fault."""
    table = read_toml(path, ModelError)
    entries = table.get("class")
    if not entries or not _are_tables(entries):
        raise ModelError(f"{path} is no scheme: it lacks 'class', a table [[class]] for each class")
    try:
        classes = tuple(
            CellClass(
                code=_text(entry, "code"),
                name=_text(entry, "name"),
                role=entry["role"],
                blast_equivalent=_equivalents_of(entry),
            )
            for entry in entries
        )
        title, source = _text(table, "title"), _text(table, "source")
    except KeyError as fault:
        raise ModelError(f"{path} is no scheme: it lacks {fault}") from fault
    except ValueError as fault:
        raise ModelError(f"{path}: {fault}") from fault
    wrong = [c.code for c in classes if c.role not in get_args(Role)]
    if wrong:
        raise ModelError(f"{path}: classes {wrong} have a role other than {get_args(Role)}")
    if len({c.code for c in classes}) < len(classes):
        raise ModelError(f"{path}: two classes have the same code")
    codes = [c.code for c in classes]
    if CANNOT_TELL in codes:
        raise ModelError(
            f"{path}: {CANNOT_TELL!r} is what a reader answers, not a class: rename it"
        )
    letters = table["letters"] if "letters" in table else _first_free_letters(classes)
    if not isinstance(letters, dict) or sorted(letters.values(), key=str) != sorted(codes):
        raise ModelError(f"{path}: [letters] names each class once, under a letter of its own")
    if odd := [letter for letter in letters if letter not in set(ascii_uppercase)]:
        raise ModelError(f"{path}: [letters] are A to Z, not {odd}")
    groupings = _groupings(path, table, codes)
    scheme = Scheme(name, title, source, classes, tuple(letters.items()), **groupings)
    _check_label_map(path, scheme, table.get("label_map_sha256"))
    return scheme


def _are_tables(entries: Any) -> bool:
    return isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)


def _text(table: dict[str, Any], name: str) -> str:
    """An entry; KeyError if there is none, ValueError if it is no text."""
    value = table[name]
    if not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}, a text in quotes is expected")
    return value


def _groupings(path: Path, table: dict[str, Any], codes: list[str]) -> dict[str, Any]:
    """``specimen``, ``groups`` and ``tolerated`` of a scheme's table, all optional."""
    specimen = table.get("specimen", "blood")
    if specimen not in get_args(Specimen):
        raise ModelError(f"{path}: specimen is {specimen!r}, not one of {get_args(Specimen)}")
    try:
        groups = {name: tuple(group) for name, group in table.get("groups", {}).items()}
        tolerated = tuple((one, other) for one, other in table.get("tolerated", []))
    except (AttributeError, TypeError, ValueError) as fault:
        raise ModelError(
            f"{path}: [groups] are lists of codes by name, tolerated a list of pairs of codes"
        ) from fault
    named = (code for group in (*groups.values(), *tolerated) for code in group)
    if unknown := [code for code in named if code not in codes]:
        raise ModelError(f"{path}: [groups] or tolerated have {unknown}, which are no classes")
    return {"specimen": specimen, "groups": groups, "tolerated": tolerated}


def _check_label_map(path: Path, scheme: Scheme, stated: str | None) -> None:
    """ModelError unless codes, names and roles are those that the file's digest was taken of.

    A code that stands for another cell swaps a diagnosis, and looks right in every table.
    """
    if stated is not None and stated != scheme.label_map_sha256:
        raise ModelError(
            f"{path}: its label map (code, name and role of each class, in order) has SHA-256 "
            f"{scheme.label_map_sha256}, label_map_sha256 says {stated}: a class was renamed, "
            "moved or given another role. Take the file anew"
        )


def _equivalents_of(entry: dict[str, Any]) -> tuple[Profile, ...]:
    """Of one class; ValueError for what is none, or for an entry that no class has."""
    if unknown := sorted(entry.keys() - {field.name for field in fields(CellClass)}):
        raise ValueError(f"class {entry['code']} has the entries {unknown}, which mean nothing")
    stated = entry.get("blast_equivalent", [])
    if not isinstance(stated, list) or any(one not in get_args(Profile) for one in stated):
        raise ValueError(
            f"class {entry['code']}: blast_equivalent is a list of {get_args(Profile)}, not "
            f"{stated!r}"
        )
    return tuple(stated)


def _first_free_letters(classes: tuple[CellClass, ...]) -> dict[str, str]:
    """A letter a class, by role and then in the scheme's order: the first of its name that is free.

    There are 26: ModelError for more classes.
    """
    letters: dict[str, str] = {}
    for cell_class in sorted(classes, key=lambda c: get_args(Role).index(c.role)):
        wanted = cell_class.name.upper() + ascii_uppercase
        free = [one for one in wanted if one in set(ascii_uppercase) - letters.keys()]
        if not free:
            raise ModelError(f"{len(classes)} classes are more than there are letters")
        letters[free[0]] = cell_class.code
    return letters
